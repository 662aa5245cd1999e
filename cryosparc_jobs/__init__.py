"""The adapter for CryoSPARC: our core as an External job.

It translates between CryoSPARC's words and ours. `cli` has the commands; `denoise` and
`watch` are jobs, made of `steps`; `external_job` and `client` hide how the versions of
the client differ; `lifecycle` gives a job the status that its end deserves.
"""
