# It aims at so many requests at a time on each instance: they are slow, and an engine works on many together.
CONCURRENCY_PER_INSTANCE=${CONCURRENCY_PER_INSTANCE:-16}
