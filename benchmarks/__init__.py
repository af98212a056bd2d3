"""
How fast kinto-orm is, beside kinto-http and beside the least that Python can do.

    python -m benchmarks

Each figure is taken in a process of its own (`sample`), which does one piece of work
(`contestants`) and prints what it took.  The contestants take turns (`measuring`); what counts is
the ratio within a round, so that a machine that is slower for a while is slower for all.  The
servers are processes of their own, too (`servers`): what they take is not counted.  `questions` has
what is asked, and the goals; `page` and `pictures` show what was found.
"""
