package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// capabilities lists all capabilities of Linux by number, see capabilities(7). The list is fixed,
// because a daemon refuses names that it does not know: a library would list those of its release.
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// privileges is what a node container may do.
type privileges struct {
	// missing lists the capabilities that the daemon itself lacks, and that the request must leave
	// out. If empty, the node is privileged, as by docker run --privileged.
	missing []string
}

// privilegesOf returns what the daemon can grant. If that cannot be determined, it assumes
// everything.
func privilegesOf(ctx context.Context, c *client.Client) privileges {
	bounding, ok := boundingSet(c.DaemonHost())
	if !ok {
		return privileges{}
	}
	ping, err := c.Ping(ctx)
	if err != nil {
		return privileges{} // the next request returns the same error
	}
	return privilegesWith(bounding, ping.APIVersion)
}

// sensibleAPI is the API version of Engine 23.0, the first for which "privileged" means everything
// that it can grant, see https://github.com/moby/moby/blob/v23.0.0/oci/caps/utils_linux.go.
const sensibleAPI = "1.42"

// privilegesWith returns what a daemon can grant, from the capabilities in its bounding set and the
// newest API version that it supports. An engine before 23.0 refuses --privileged if a capability
// is missing ("unable to apply caps: operation not permitted"). A newer one leaves out the missing
// capability, and refuses a request to drop it ("not available in the current environment").
func privilegesWith(bounding uint64, apiVersion string) privileges {
	var p privileges
	if versions.GreaterThanOrEqualTo(apiVersion, sensibleAPI) {
		return p
	}
	for i, name := range capabilities {
		if bounding&(1<<i) == 0 {
			p.missing = append(p.missing, name)
		}
	}
	return p
}

// withoutSysResource returns the privileges to try next if the engine refused --privileged and the
// missing capability is unknown. SYS_RESOURCE is the capability that sandboxes remove, and a node
// works without it.
func withoutSysResource() privileges {
	return privileges{missing: []string{"SYS_RESOURCE"}}
}

// apply grants the privileges. Without --privileged, it requests the parts of that flag one by one:
// no seccomp or AppArmor profile, no masked paths, every device.
func (p privileges) apply(h *container.HostConfig) {
	if len(p.missing) == 0 {
		h.Privileged = true
		return
	}
	// An older engine does not know the names of newer capabilities, but its "ALL" is enough for a
	// node.
	h.CapAdd, h.CapDrop = []string{"ALL"}, p.missing
	h.SecurityOpt = []string{"seccomp=unconfined", "apparmor=unconfined", "label=disable"}
	h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{} // systempaths=unconfined
	h.DeviceCgroupRules = []string{"a *:* rwm"}
	h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/kmsg", PathInContainer: "/dev/kmsg", CgroupPermissions: "rwm"}}
}
