"""AWS Secrets Manager."""

from vectorshift.providers.aws.provider import AwsSecretsManagerProvider

__all__ = ["AwsSecretsManagerProvider"]
