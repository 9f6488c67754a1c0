# It aims at so many requests a minute for each instance.
INVOCATIONS_PER_INSTANCE=${INVOCATIONS_PER_INSTANCE:-1000}
