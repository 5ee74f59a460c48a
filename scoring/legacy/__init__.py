"""The scoring of issue 2, until the portal reads the new one."""
