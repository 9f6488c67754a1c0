"""Requests to AWS, built from the settings. Nothing here reads a file or calls AWS.

Keys and values are those of AWS's APIs.
"""
