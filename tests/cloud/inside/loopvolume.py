"""A driver of Cinder: a volume is a sparse file, and attached it is a loop device of this machine.

The connection is of os-brick's kind "local". An attached volume has a name that stays, FOLDER/devices/VOLUME,
a link to its loop device; cinder-volume renews it when it starts, so a volume in use survives a reboot.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any

from cinder import exception
from cinder.volume import configuration, driver
from oslo_config import cfg

GIBIBYTE = 1 << 30
OPTIONS = [cfg.StrOpt("loop_folder", help="Where the volumes' files and the links to their devices lie.")]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)


def command(*words: str) -> str:
    """Run a program and return what it wrote. Raises VolumeBackendAPIException with what it complained of."""
    try:
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.SubprocessError as error:
        complaint = (getattr(error, "stderr", None) or str(error)).strip()
        raise exception.VolumeBackendAPIException(data=f"{words[0]}: {complaint}") from error
    return done.stdout


class LoopDriver(driver.VolumeDriver):  # type: ignore[misc]  # the cloud's own environment has its types
    """Volumes in files."""

    VERSION = "1.0"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.configuration.append_config_values(OPTIONS)

    @staticmethod
    def get_driver_options() -> list[cfg.Opt]:
        """Tell Cinder which options are ours."""
        return OPTIONS

    def do_setup(self, context: Any) -> None:
        """Make the folders."""
        base = Path(self.configuration.loop_folder)
        self._files, self._links = base / "volumes", base / "devices"
        for folder in (self._files, self._links):
            folder.mkdir(parents=True, exist_ok=True)

    def check_for_setup_error(self) -> None:
        """Refuse to start without losetup."""
        command("losetup", "--version")

    # volumes, snapshots, copies

    def create_volume(self, volume: Any) -> None:
        """Make an empty file that takes no room."""
        self._resize(volume, volume.size)

    def delete_volume(self, volume: Any) -> None:
        """Remove the file, its device and its link."""
        self._detach(volume)
        self._file(volume).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Let the file grow, and the device with it."""
        self._resize(volume, new_size)
        device = self._device(volume)
        if device:
            command("losetup", "--set-capacity", device)

    def create_snapshot(self, snapshot: Any) -> None:
        """Copy the volume's file as it is now."""
        self._copy(snapshot.volume, snapshot)

    def delete_snapshot(self, snapshot: Any) -> None:
        """Remove the copy."""
        self._file(snapshot).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        """Copy the copy."""
        self._copy(snapshot, volume)
        self._resize(volume, volume.size)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        """Copy another volume's file."""
        self._copy(src_vref, volume)
        self._resize(volume, volume.size)

    def copy_image_to_volume(
        self, context: Any, volume: Any, image_service: Any, image_id: str, disable_sparse: bool = False
    ) -> None:
        """Fill the file with a raw image."""
        with self._file(volume).open("r+b") as file:
            image_service.download(context, image_id, file)
        self._resize(volume, volume.size)

    def local_path(self, volume: Any) -> str:
        """Tell where the file lies."""
        return str(self._file(volume))

    # attaching

    def initialize_connection(self, volume: Any, connector: Any, **options: Any) -> dict[str, Any]:
        """Attach; os-brick takes the path as it is."""
        return {"driver_volume_type": "local", "data": {"device_path": self._attach(volume)}}

    def terminate_connection(self, volume: Any, connector: Any, **options: Any) -> None:
        """Detach."""
        self._detach(volume)

    def validate_connector(self, connector: Any) -> None:
        """Take any: there is one machine."""

    def create_export(self, context: Any, volume: Any, connector: Any = None) -> None:
        """Do nothing: attaching is all there is."""

    def ensure_export(self, context: Any, volume: Any) -> None:
        """Attach again what was in use when the machine went down."""
        if volume.status == "in-use":
            self._attach(volume)

    def remove_export(self, context: Any, volume: Any) -> None:
        """Detach: Zun 18 forgets a mapping's host and never terminates connections, but this is called."""
        self._detach(volume)

    def _update_volume_stats(self) -> None:
        room = os.statvfs(self._files)
        self._stats = {
            "driver_version": self.VERSION,
            "free_capacity_gb": room.f_bavail * room.f_frsize / GIBIBYTE,
            "max_over_subscription_ratio": 1000.0,
            "multiattach": True,
            "provisioned_capacity_gb": 0,
            "QoS_support": False,
            "reserved_percentage": 0,
            "storage_protocol": "local",
            "thick_provisioning_support": False,
            "thin_provisioning_support": True,
            "total_capacity_gb": room.f_blocks * room.f_frsize / GIBIBYTE,
            "vendor_name": "loop",
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
        }

    def _file(self, what: Any) -> Path:
        return self._files / str(what.id)

    def _link(self, volume: Any) -> Path:
        return self._links / str(volume.id)

    def _device(self, what: Any) -> str:
        found = command("losetup", "--noheadings", "--output", "NAME", "--associated", str(self._file(what)))
        return found.split()[0] if found.strip() else ""

    def _resize(self, volume: Any, gibibytes: int) -> None:
        with self._file(volume).open("ab") as file:
            file.truncate(gibibytes * GIBIBYTE)

    def _copy(self, source: Any, target: Any) -> None:
        device = self._device(source)
        if device:
            command("blockdev", "--flushbufs", device)
        command("cp", "--sparse=always", str(self._file(source)), str(self._file(target)))

    def _attach(self, volume: Any) -> str:
        device = (
            self._device(volume) or command("losetup", "--find", "--show", str(self._file(volume))).strip()
        )
        link = self._link(volume)
        fresh = link.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(device)
        fresh.replace(link)
        return str(link)

    def _detach(self, volume: Any) -> None:
        device = self._device(volume)
        if device:
            # mounted elsewhere still, it goes with its last mount
            with contextlib.suppress(exception.VolumeBackendAPIException):
                command("losetup", "--detach", device)
        if not self._device(volume):
            self._link(volume).unlink(missing_ok=True)
