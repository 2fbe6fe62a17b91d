"""The program of a worker process: loads the scoring script, calls `init()` once and `run()` for each mini-batch.

A folder that is run as a program, under the interpreter of the deployment's environment: standard library only, as
Python 3.7 knows it, and relative imports, because there it has a name of its own (see `__main__`).
Nothing here knows of tries, time limits or other workers: that is the engine's.
"""
