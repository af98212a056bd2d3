"""Ask the questions, and show what was found: see ``python -m benchmarks --help``."""

from __future__ import annotations

import sys

from benchmarks.measuring import ROOT, Laboratory, surroundings
from benchmarks.questions import QUESTIONS
import statistics as st

def main():
    only=sys.argv[1:]
    with surroundings(ROOT) as env, Laboratory(env, True, lambda s: print(s,file=sys.stderr)) as lab:
        for q in QUESTIONS:
            if only and q.name not in only: continue
            r=lab.asked(q)
            for g in q.goals:
                print(q.name,g.what,{n:round(st.median(x[n].get(g.figure,0) for x in r),2) for n in q.contestants})
main()
