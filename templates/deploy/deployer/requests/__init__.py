"""Requests to AWS, made from the settings. Nothing here reads a file or calls anything.

Keys and values are those of AWS's APIs.
"""
