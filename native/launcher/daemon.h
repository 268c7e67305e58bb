/* What the daemon is started with; the engine's own `start` has the same (shim/bootstrap/spawn-daemon.ts says why). */
#ifndef TSR_LAUNCHER_DAEMON_H
#define TSR_LAUNCHER_DAEMON_H

static const char *const engine_settings[] = {
    "BUN_JSC_useJIT=0",
    "BUN_JSC_numberOfGCMarkers=1",
    "BUN_JSC_useConcurrentGC=0",
    "BUN_JSC_largeHeapSize=4194304",
    "BUN_GC_TIMER_DISABLE=1",
};

static const char *const passed_on[] = {"PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"};

#endif
