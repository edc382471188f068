"""The image store of the local driver: archives in, unpacked layers out. See docs/images.md."""
