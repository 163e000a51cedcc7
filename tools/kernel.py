"""A notebook client whose kernel is the Python that runs it."""

import asyncio
import atexit
import os
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")


class _ThisKernel(AsyncKernelManager):
    """Looks for kernels nowhere, so that "python3" is the Python that runs this file.

    JUPYTER_PREFER_ENV_PATH would not do: a kernel in $JUPYTER_PATH comes before it.
    """

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


class Client(NotebookClient):
    """Runs one notebook. Another thread can stop it.

    threads: so many for TensorFlow and OpenMP, unless the environment says how many
    """

    def __init__(self, nb, threads: int | None = None, **options):
        self.threads = dict.fromkeys(THREADS, str(threads)) if threads else {}
        super().__init__(
            nb,
            kernel_name="python3",
            kernel_manager_class=_ThisKernel,
            extra_arguments=["--log-level=CRITICAL"],
            **options,
        )

    def stop(self) -> None:
        """Kill the kernel, where one has started; execute() raises DeadKernelError."""
        manager = self.km  # its own thread takes it away in the end
        if manager is not None and manager.has_kernel:
            asyncio.run(manager.provisioner.kill())

    async def async_start_new_kernel(self, **options):
        """Start it with the helpers of this folder, whichever are installed."""
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        options["env"] = self.threads | os.environ
        options["env"]["PYTHONPATH"] = os.pathsep.join(paths)
        await super().async_start_new_kernel(**options)

    async def async_start_new_kernel_client(self, **options):
        try:
            return await super().async_start_new_kernel_client(**options)
        except RuntimeError:  # it did not start, so nothing is left to clean up
            atexit.unregister(self._cleanup_kernel)
            raise
