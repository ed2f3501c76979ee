/* libcuda.c takes the place of libcuda when a program is linked: gorgonia.org/cu
 * needs it then, and machines without NVIDIA's driver do not have it. Each function
 * calls the function of the library passed to gocaffe_use, which is looked up on the
 * first call. */
#include <dlfcn.h>
#include <stdint.h>

static void *library;
static int uses; /* number of calls of gocaffe_use: each makes the functions found before stale */

void gocaffe_use(void *handle) {
  library = handle;
  uses++;
}

enum { NO_DEVICE = 100, NOT_SUPPORTED = 801 };

typedef uintptr_t word;
typedef int (*function)(word, word, word, word, word, word, word, word, word, word, word);

/* FORWARD defines a function of at most eleven integers and addresses. A function
 * with fewer arguments ignores the rest, whose values are arbitrary. */
#define FORWARD(NAME, SYMBOL)                                                                         \
  int NAME(word a, word b, word c, word d, word e, word f, word g, word h, word i, word j, word k) { \
    static void *found;                                                                              \
    static int when;                                                                                 \
    if (__atomic_load_n(&when, __ATOMIC_ACQUIRE) != uses) {                                          \
      found = library ? dlsym(library, #SYMBOL) : 0;                                                 \
      __atomic_store_n(&when, uses, __ATOMIC_RELEASE);                                               \
    }                                                                                                \
    if (!found) return library ? NOT_SUPPORTED : NO_DEVICE;                                          \
    return ((function)found)(a, b, c, d, e, f, g, h, i, j, k);                                       \
  }

/* gorgonia.org/cu calls cuInit before main and ends the program if it fails. So it
 * succeeds as long as there is no library. */
int cuInit(unsigned flags) {
  int (*init)(unsigned) = library ? (int (*)(unsigned))dlsym(library, "cuInit") : 0;
  if (init) return init(flags);
  return library ? NOT_SUPPORTED : 0;
}

/* Functions with float arguments. */
int cuTexRefSetMipmapLevelBias(void *ref, float bias) {
  int (*set)(void *, float) = library ? (int (*)(void *, float))dlsym(library, "cuTexRefSetMipmapLevelBias") : 0;
  return set ? set(ref, bias) : NO_DEVICE;
}
int cuTexRefSetMipmapLevelClamp(void *ref, float min, float max) {
  int (*set)(void *, float, float) = library ? (int (*)(void *, float, float))dlsym(library, "cuTexRefSetMipmapLevelClamp") : 0;
  return set ? set(ref, min, max) : NO_DEVICE;
}

FORWARD(cuDriverGetVersion, cuDriverGetVersion)
FORWARD(cuDeviceGet, cuDeviceGet)
FORWARD(cuDeviceGetCount, cuDeviceGetCount)
FORWARD(cuDeviceGetName, cuDeviceGetName)
FORWARD(cuDeviceGetUuid, cuDeviceGetUuid)
FORWARD(cuDeviceTotalMem, cuDeviceTotalMem_v2)
FORWARD(cuDeviceGetAttribute, cuDeviceGetAttribute)
FORWARD(cuDeviceCanAccessPeer, cuDeviceCanAccessPeer)
FORWARD(cuDeviceGetP2PAttribute, cuDeviceGetP2PAttribute)
FORWARD(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain)
FORWARD(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2)
FORWARD(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2)
FORWARD(cuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags_v2)
FORWARD(cuDevicePrimaryCtxGetState, cuDevicePrimaryCtxGetState)
FORWARD(cuCtxCreate, cuCtxCreate_v2)
FORWARD(cuCtxDestroy, cuCtxDestroy_v2)
FORWARD(cuCtxSetCurrent, cuCtxSetCurrent)
FORWARD(cuCtxGetCurrent, cuCtxGetCurrent)
FORWARD(cuCtxPushCurrent, cuCtxPushCurrent_v2)
FORWARD(cuCtxPopCurrent, cuCtxPopCurrent_v2)
FORWARD(cuCtxGetDevice, cuCtxGetDevice)
FORWARD(cuCtxGetFlags, cuCtxGetFlags)
FORWARD(cuCtxGetApiVersion, cuCtxGetApiVersion)
FORWARD(cuCtxSynchronize, cuCtxSynchronize)
FORWARD(cuCtxSetLimit, cuCtxSetLimit)
FORWARD(cuCtxGetLimit, cuCtxGetLimit)
FORWARD(cuCtxSetCacheConfig, cuCtxSetCacheConfig)
FORWARD(cuCtxGetCacheConfig, cuCtxGetCacheConfig)
FORWARD(cuCtxSetSharedMemConfig, cuCtxSetSharedMemConfig)
FORWARD(cuCtxGetSharedMemConfig, cuCtxGetSharedMemConfig)
FORWARD(cuCtxGetStreamPriorityRange, cuCtxGetStreamPriorityRange)
FORWARD(cuCtxResetPersistingL2Cache, cuCtxResetPersistingL2Cache)
FORWARD(cuCtxEnablePeerAccess, cuCtxEnablePeerAccess)
FORWARD(cuCtxDisablePeerAccess, cuCtxDisablePeerAccess)
FORWARD(cuModuleLoad, cuModuleLoad)
FORWARD(cuModuleLoadData, cuModuleLoadData)
FORWARD(cuModuleLoadDataEx, cuModuleLoadDataEx)
FORWARD(cuModuleLoadFatBinary, cuModuleLoadFatBinary)
FORWARD(cuModuleUnload, cuModuleUnload)
FORWARD(cuModuleGetFunction, cuModuleGetFunction)
FORWARD(cuModuleGetGlobal, cuModuleGetGlobal_v2)
FORWARD(cuModuleGetTexRef, cuModuleGetTexRef)
FORWARD(cuModuleGetSurfRef, cuModuleGetSurfRef)
FORWARD(cuLinkCreate, cuLinkCreate_v2)
FORWARD(cuLinkAddData, cuLinkAddData_v2)
FORWARD(cuLinkAddFile, cuLinkAddFile_v2)
FORWARD(cuLinkComplete, cuLinkComplete)
FORWARD(cuLinkDestroy, cuLinkDestroy)
FORWARD(cuFuncGetAttribute, cuFuncGetAttribute)
FORWARD(cuFuncSetAttribute, cuFuncSetAttribute)
FORWARD(cuFuncGetParamInfo, cuFuncGetParamInfo)
FORWARD(cuFuncSetCacheConfig, cuFuncSetCacheConfig)
FORWARD(cuFuncSetSharedMemConfig, cuFuncSetSharedMemConfig)
FORWARD(cuLaunchKernel, cuLaunchKernel)
FORWARD(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor)
FORWARD(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
FORWARD(cuMemGetInfo, cuMemGetInfo_v2)
FORWARD(cuMemAlloc, cuMemAlloc_v2)
FORWARD(cuMemAllocPitch, cuMemAllocPitch_v2)
FORWARD(cuMemAllocManaged, cuMemAllocManaged)
FORWARD(cuMemFree, cuMemFree_v2)
FORWARD(cuMemHostAlloc, cuMemHostAlloc)
FORWARD(cuMemFreeHost, cuMemFreeHost)
FORWARD(cuMemGetAddressRange, cuMemGetAddressRange_v2)
FORWARD(cuMemAdvise, cuMemAdvise)
FORWARD(cuMemPrefetchAsync, cuMemPrefetchAsync)
FORWARD(cuPointerGetAttribute, cuPointerGetAttribute)
FORWARD(cuPointerSetAttribute, cuPointerSetAttribute)
FORWARD(cuMemcpy, cuMemcpy)
FORWARD(cuMemcpyPeer, cuMemcpyPeer)
FORWARD(cuMemcpyHtoD, cuMemcpyHtoD_v2)
FORWARD(cuMemcpyDtoH, cuMemcpyDtoH_v2)
FORWARD(cuMemcpyDtoD, cuMemcpyDtoD_v2)
FORWARD(cuMemcpyDtoA, cuMemcpyDtoA_v2)
FORWARD(cuMemcpyAtoD, cuMemcpyAtoD_v2)
FORWARD(cuMemcpyHtoA, cuMemcpyHtoA_v2)
FORWARD(cuMemcpyAtoH, cuMemcpyAtoH_v2)
FORWARD(cuMemcpyAtoA, cuMemcpyAtoA_v2)
FORWARD(cuMemcpy2D, cuMemcpy2D_v2)
FORWARD(cuMemcpy2DUnaligned, cuMemcpy2DUnaligned_v2)
FORWARD(cuMemcpy3D, cuMemcpy3D_v2)
FORWARD(cuMemcpy3DPeer, cuMemcpy3DPeer)
FORWARD(cuMemcpyAsync, cuMemcpyAsync)
FORWARD(cuMemcpyPeerAsync, cuMemcpyPeerAsync)
FORWARD(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2)
FORWARD(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2)
FORWARD(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2)
FORWARD(cuMemcpyHtoAAsync, cuMemcpyHtoAAsync_v2)
FORWARD(cuMemcpyAtoHAsync, cuMemcpyAtoHAsync_v2)
FORWARD(cuMemcpy2DAsync, cuMemcpy2DAsync_v2)
FORWARD(cuMemcpy3DAsync, cuMemcpy3DAsync_v2)
FORWARD(cuMemcpy3DPeerAsync, cuMemcpy3DPeerAsync)
FORWARD(cuMemsetD8, cuMemsetD8_v2)
FORWARD(cuMemsetD16, cuMemsetD16_v2)
FORWARD(cuMemsetD32, cuMemsetD32_v2)
FORWARD(cuMemsetD2D8, cuMemsetD2D8_v2)
FORWARD(cuMemsetD2D16, cuMemsetD2D16_v2)
FORWARD(cuMemsetD2D32, cuMemsetD2D32_v2)
FORWARD(cuMemsetD8Async, cuMemsetD8Async)
FORWARD(cuMemsetD16Async, cuMemsetD16Async)
FORWARD(cuMemsetD32Async, cuMemsetD32Async)
FORWARD(cuMemsetD2D8Async, cuMemsetD2D8Async)
FORWARD(cuMemsetD2D16Async, cuMemsetD2D16Async)
FORWARD(cuMemsetD2D32Async, cuMemsetD2D32Async)
FORWARD(cuArrayCreate, cuArrayCreate_v2)
FORWARD(cuArrayGetDescriptor, cuArrayGetDescriptor_v2)
FORWARD(cuArray3DCreate, cuArray3DCreate_v2)
FORWARD(cuArray3DGetDescriptor, cuArray3DGetDescriptor_v2)
FORWARD(cuArrayDestroy, cuArrayDestroy)
FORWARD(cuStreamCreate, cuStreamCreate)
FORWARD(cuStreamCreateWithPriority, cuStreamCreateWithPriority)
FORWARD(cuStreamDestroy, cuStreamDestroy_v2)
FORWARD(cuStreamGetPriority, cuStreamGetPriority)
FORWARD(cuStreamGetFlags, cuStreamGetFlags)
FORWARD(cuStreamQuery, cuStreamQuery)
FORWARD(cuStreamSynchronize, cuStreamSynchronize)
FORWARD(cuStreamWaitEvent, cuStreamWaitEvent)
FORWARD(cuStreamAttachMemAsync, cuStreamAttachMemAsync)
FORWARD(cuStreamWaitValue32, cuStreamWaitValue32)
FORWARD(cuStreamWriteValue32, cuStreamWriteValue32)
FORWARD(cuStreamBeginCapture, cuStreamBeginCapture_v2)
FORWARD(cuStreamEndCapture, cuStreamEndCapture)
FORWARD(cuEventCreate, cuEventCreate)
FORWARD(cuEventDestroy, cuEventDestroy_v2)
FORWARD(cuEventRecord, cuEventRecord)
FORWARD(cuEventQuery, cuEventQuery)
FORWARD(cuEventSynchronize, cuEventSynchronize)
FORWARD(cuEventElapsedTime, cuEventElapsedTime)
FORWARD(cuGraphCreate, cuGraphCreate)
FORWARD(cuGraphDestroy, cuGraphDestroy)
FORWARD(cuGraphClone, cuGraphClone)
FORWARD(cuGraphInstantiate, cuGraphInstantiate_v2)
FORWARD(cuGraphLaunch, cuGraphLaunch)
FORWARD(cuGraphExecDestroy, cuGraphExecDestroy)
FORWARD(cuGraphDestroyNode, cuGraphDestroyNode)
FORWARD(cuGraphAddDependencies, cuGraphAddDependencies)
FORWARD(cuGraphGetEdges, cuGraphGetEdges)
FORWARD(cuGraphAddEmptyNode, cuGraphAddEmptyNode)
FORWARD(cuGraphAddHostNode, cuGraphAddHostNode)
FORWARD(cuGraphAddKernelNode, cuGraphAddKernelNode)
FORWARD(cuGraphAddMemcpyNode, cuGraphAddMemcpyNode)
FORWARD(cuGraphAddMemsetNode, cuGraphAddMemsetNode)
FORWARD(cuGraphAddChildGraphNode, cuGraphAddChildGraphNode)
FORWARD(cuTexRefSetArray, cuTexRefSetArray)
FORWARD(cuTexRefSetAddress, cuTexRefSetAddress_v2)
FORWARD(cuTexRefSetAddress2D, cuTexRefSetAddress2D_v3)
FORWARD(cuTexRefSetFormat, cuTexRefSetFormat)
FORWARD(cuTexRefSetAddressMode, cuTexRefSetAddressMode)
FORWARD(cuTexRefSetFilterMode, cuTexRefSetFilterMode)
FORWARD(cuTexRefSetMipmapFilterMode, cuTexRefSetMipmapFilterMode)
FORWARD(cuTexRefSetMaxAnisotropy, cuTexRefSetMaxAnisotropy)
FORWARD(cuTexRefSetBorderColor, cuTexRefSetBorderColor)
FORWARD(cuTexRefSetFlags, cuTexRefSetFlags)
FORWARD(cuTexRefGetAddress, cuTexRefGetAddress_v2)
FORWARD(cuTexRefGetArray, cuTexRefGetArray)
FORWARD(cuTexRefGetAddressMode, cuTexRefGetAddressMode)
FORWARD(cuTexRefGetFilterMode, cuTexRefGetFilterMode)
FORWARD(cuTexRefGetFormat, cuTexRefGetFormat)
FORWARD(cuTexRefGetMaxAnisotropy, cuTexRefGetMaxAnisotropy)
FORWARD(cuTexRefGetBorderColor, cuTexRefGetBorderColor)
FORWARD(cuTexRefGetFlags, cuTexRefGetFlags)
FORWARD(cuSurfRefSetArray, cuSurfRefSetArray)
FORWARD(cuSurfRefGetArray, cuSurfRefGetArray)
