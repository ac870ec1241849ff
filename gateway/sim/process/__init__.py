"""The bench in real time: the real `ugw run`, real sockets, files and ports; nothing outlives it.

`gateway.sim.bench` says what a bench is; `bench` here is this level's.
"""
