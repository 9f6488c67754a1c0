# Names the endpoint; its model and its configuration are called this and a hash of what they hold.
ENDPOINT_NAME=${ENDPOINT_NAME:-$PROJECT_NAME}
