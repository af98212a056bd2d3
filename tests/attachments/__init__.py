"""Tests of files at records, on the real kinto-attachment."""
