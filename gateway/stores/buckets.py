"""Objects in other people's S3 buckets, to be read: through obstore, with the usual AWS_… settings."""

from datetime import timedelta

import obstore
from obstore.exceptions import BaseError, InvalidPathError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from .media import MediaNotFound, MediaUnavailable

_CHUNK_BYTES = 1024 * 1024
_MAX_WORDS = 200


class MediaTooLarge(Exception):
    """An object of more bytes than are wanted: `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it has {size} bytes")
        self.size = size


class Buckets:
    """Opens a bucket when it is first asked for. The time is the caller's to limit, with `asyncio.timeout`."""

    def __init__(self) -> None:
        self._stores: dict[str, S3Store] = {}

    async def read(self, bucket: str, key: str, max_bytes: int) -> tuple[bytes, str | None]:
        """Content and type of an object. Raises MediaTooLarge, MediaNotFound (also where access is denied) or
        MediaUnavailable.
        """
        try:
            result = await obstore.get_async(self._bucket(bucket), key)
            if (size := result.meta["size"]) > max_bytes:
                del result  # which closes the connection; the error's traceback would hold it
                raise MediaTooLarge(size)
            content = bytearray()
            async for chunk in result.stream(_CHUNK_BYTES):
                content += chunk
            return bytes(content), result.attributes.get("Content-Type")
        except (FileNotFoundError, NotFoundError):
            raise MediaNotFound("there is no such object: mend the url") from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise MediaNotFound("access is denied: give the worker's AWS_… credentials the right to read it") from None
        except (ValueError, InvalidPathError) as error:
            raise MediaNotFound(f"this cannot be a key: {_words(error)}") from error
        except (BaseError, OSError) as error:
            raise MediaUnavailable(_words(error)) from error

    def _bucket(self, name: str) -> S3Store:
        if name not in self._stores:
            # Tried once: the worker's own waits are there to try again, and its deadline is for all of it.
            self._stores[name] = S3Store(
                name,
                client_options={"allow_http": True, "connect_timeout": timedelta(seconds=5)},  # as of the media store
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
            )
        return self._stores[name]


def _words(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:_MAX_WORDS]
