package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// capabilities are all that Linux has, by number, see capabilities(7).
var capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// privileges is what a node container is allowed.
type privileges struct {
	// missing are the capabilities that the daemon itself lacks and has to be told to
	// leave out. If there are none, the node is privileged, as by docker run --privileged.
	missing []string
}

// privilegesOf asks what the daemon can grant. Where it cannot be known, all is assumed.
func privilegesOf(ctx context.Context, c *client.Client) privileges {
	bounding, ok := boundingSet(c.DaemonHost())
	if !ok {
		return privileges{}
	}
	ping, err := c.Ping(ctx)
	if err != nil {
		return privileges{} // whatever is asked for next will say so
	}
	return privilegesWith(bounding, ping.APIVersion)
}

// sensibleAPI is that of Engine 23.0, the first that means by "privileged" what it can
// grant, see https://github.com/moby/moby/blob/v23.0.0/oci/caps/utils_linux.go.
const sensibleAPI = "1.42"

// privilegesWith is what a daemon grants that has these capabilities in its bounding set,
// by the newest version of the API that it speaks. An older one refuses --privileged where
// one is missing ("unable to apply caps: operation not permitted"); a newer one leaves
// that one out by itself, and refuses to be told so ("not available in the current
// environment").
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

// withoutSysResource is the next thing to try when --privileged was refused and
// the reason cannot be seen: of all capabilities this is the one that sandboxes
// take away, and the one that a node can do without.
func withoutSysResource() privileges {
	return privileges{missing: []string{"SYS_RESOURCE"}}
}

// apply grants the privileges. Without --privileged its parts are asked for one by
// one: no seccomp or AppArmor profile, no masked paths, every device.
func (p privileges) apply(h *container.HostConfig) {
	if len(p.missing) == 0 {
		h.Privileged = true
		return
	}
	// An older engine does not know the newer capabilities by name, but what "ALL"
	// means to it is enough for a node.
	h.CapAdd, h.CapDrop = []string{"ALL"}, p.missing
	h.SecurityOpt = []string{"seccomp=unconfined", "apparmor=unconfined", "label=disable"}
	h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{} // systempaths=unconfined
	h.DeviceCgroupRules = []string{"a *:* rwm"}
	h.Devices = []container.DeviceMapping{{PathOnHost: "/dev/kmsg", PathInContainer: "/dev/kmsg", CgroupPermissions: "rwm"}}
}
