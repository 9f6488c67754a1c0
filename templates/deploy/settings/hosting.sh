# Seconds a new container has until its first good ping (SageMaker's own default is 8 minutes), and to fetch the model:
# 60 to 3600.
STARTUP_SECONDS=${STARTUP_SECONDS:-480}
DOWNLOAD_SECONDS=${DOWNLOAD_SECONDS:-1200}
# GB of disk for each instance, 1 to 512. Empty: SageMaker's choice, and for types with a disk of their own.
VOLUME_GB=${VOLUME_GB:-}
