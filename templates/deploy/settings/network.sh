# --- network and keys; empty: none -----------------------------------------------------------------------------------
# A network of your own: subnet-…,subnet-… and sg-…,sg-…
VPC_SUBNETS=${VPC_SUBNETS:-}
VPC_SECURITY_GROUPS=${VPC_SECURITY_GROUPS:-}
# true: the container can reach nothing outside.
NETWORK_ISOLATION=${NETWORK_ISOLATION:-}
# A KMS key for what is stored. Not for instance types with a disk of their own (m5d, g5 …).
KMS_KEY_ID=${KMS_KEY_ID:-}
