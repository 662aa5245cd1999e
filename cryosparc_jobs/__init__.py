"""The adapter for CryoSPARC.

So far it tells `cryoscore doctor` whether this machine is ready to talk to a server.
"""
