# Where the models lie, each as NAME.tar.gz: s3://BUCKET/PREFIX/. Empty: s3://S3_BUCKET/PROJECT_NAME/models/
MODEL_DATA=${MODEL_DATA:-}
