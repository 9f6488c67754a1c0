# Where the model is for MODEL_DELIVERY=s3: a model.tar.gz (s3://BUCKET/KEY). Empty: the one uploaded last.
MODEL_DATA=${MODEL_DATA:-}
