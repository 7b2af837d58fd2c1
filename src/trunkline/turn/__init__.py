"""Turn-taking: voice activity, end of turn, barge-in, backchannels. Pure; may import `audio`.

Frames and transcripts in, decisions out; time is passed in. Start reading at `taking.py`, where the
policies, one in a file, combine.
"""
