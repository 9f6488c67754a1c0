"""What AWS is asked for, made of the settings. Nothing here reads a file or calls anything.

Keys and values are those of AWS's APIs.
"""
