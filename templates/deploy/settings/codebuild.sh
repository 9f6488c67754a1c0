# --- CodeBuild -------------------------------------------------------------------------------------------------------
# The size of its machine: BUILD_GENERAL1_SMALL, BUILD_GENERAL1_MEDIUM, BUILD_GENERAL1_LARGE …
BUILD_COMPUTE=${BUILD_COMPUTE:-BUILD_GENERAL1_SMALL}
# The role it takes on. Empty: submit_build.sh makes one, with the rights in iam/codebuild-role.json.
BUILD_ROLE_ARN=${BUILD_ROLE_ARN:-}
