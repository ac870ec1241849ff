"""Health, readiness, metrics and status over HTTP: read-only, bounded, for this machine first.

Imported where `http.enabled` says so: starlette and uvicorn cost some megabytes.
"""
