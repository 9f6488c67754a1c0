# Polling interval in seconds, from 0.1 to 600.
POLL_SECONDS=${POLL_SECONDS:-5}
