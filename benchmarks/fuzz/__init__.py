"""Hostile input by the million: `make fuzz HOURS=1`, or

    python -m benchmarks.fuzz --hours 1                      every door; goes on where it stopped
    python -m benchmarks.fuzz --hours 1 --doors tables       one door
    python -m benchmarks.fuzz --input tables 4711 > input    the input that has this number

A door is a way into keyart. An input follows from its door and its number alone, so it can be made
again. It must be answered, twice the same, or refused with a KeyartError; all else is a finding:
another exception, a warning, a crash, a hang, more than 2 s of processor time.

    campaign.py   the worker process, what is kept, minimising, the table
    mutate.py     changes of bytes and of JSON trees
    pictures.py, tables.py, models.py, recipes.py, requests.py, commands.py   the doors
"""
