"""What a person asks for by name: ingest, plan, inspect, status, audit, doctor.

Each is a function that returns plain data; the command line only prints it.
"""
