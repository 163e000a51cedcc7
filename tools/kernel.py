"""A notebook client whose kernel is the Python that runs it."""

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


class _ThisPython(KernelSpecManager):
    """Any kernel is the Python that runs this file, whatever else is installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class _ThisKernel(AsyncKernelManager):
    """A kernel that is started as _ThisPython says."""

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _ThisPython()


class Client(NotebookClient):
    """Runs one notebook; Ctrl-C ends the kernel and is a KeyboardInterrupt."""

    def __init__(self, nb, **options):
        quiet = ["--log-level=CRITICAL"]
        super().__init__(
            nb, kernel_manager_class=_ThisKernel, extra_arguments=quiet, **options
        )

    async def _async_cleanup_kernel(self) -> None:
        if self.km is None:  # the client's own signal handler has ended it
            raise KeyboardInterrupt
        await super()._async_cleanup_kernel()
