"""
Commits under faults: random, the same again from the same seed, and judged record by record.

A run is a server, a session, some records and what is done to them, other writers, and a network
that loses, cuts, delays and forges.  All of it follows from the run's number.  `judge` then
compares what each commit said with what the server had, of which `witness` has kept an account;
neither knows how a session works.

    cd tests && python -m runs --runs 200 --seed 1

Files: `documents` (what is done to records), `weather` (what goes wrong on the way), `witness`
(what the server really did), `judge` (whether the result is true), `running` (a run).
"""
