"""What the tests of this folder share."""

from tests.support.alone import exports_share_a_process, process_alone

__all__ = ["exports_share_a_process", "process_alone"]
