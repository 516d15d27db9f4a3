"""Opens a bundle in python-tuf's own client and reads every target.

Usage: open_bundle.py BUNDLE CACHE    (CACHE is an empty folder that is written to)
Prints the number of targets and ends with 0, or says what is wrong and ends with 1.
"""

import hashlib
import os
import sys
from urllib.parse import urlparse
from urllib.request import url2pathname

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig


class FileFetcher(FetcherInterface):
    """Takes file: URLs from the disk; what is not there is a 404."""

    def _fetch(self, url):
        path = url2pathname(urlparse(url).path)
        try:
            file = open(path, "rb")
        except FileNotFoundError:
            raise DownloadHTTPError(f"{url} is not there", 404) from None
        with file:
            while chunk := file.read(1 << 20):
                yield chunk


def main(bundle, cache):
    base = "file://" + os.path.abspath(bundle)
    targets_dir = os.path.join(cache, "targets")
    metadata_dir = os.path.join(cache, "metadata")
    os.makedirs(targets_dir)
    os.makedirs(metadata_dir)
    with open(os.path.join(bundle, "metadata", "1.root.json"), "rb") as file:
        root = file.read()
    updater = Updater(
        metadata_dir=metadata_dir,
        metadata_base_url=base + "/metadata/",
        target_dir=targets_dir,
        target_base_url=base + "/targets/",
        fetcher=FileFetcher(),
        config=UpdaterConfig(prefix_targets_with_hash=True),
        bootstrap=root,
    )
    updater.refresh()
    names = []
    for stored in os.listdir(os.path.join(bundle, "targets")):
        digest, name = stored.split(".", 1)
        info = updater.get_targetinfo(name)
        if info is None:
            raise SystemExit(f"{name} is vouched for by nobody")
        path = updater.download_target(info)
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise SystemExit(f"{name} has another digest than its name says")
        names.append(name)
    print(len(names))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever the client says, as one line
        raise SystemExit(f"{type(error).__name__}: {error}") from error
