# Seconds between two looks at what is changing.
POLL_SECONDS=${POLL_SECONDS:-5}
