package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestValidateMounts checks that a mount that would hide a node's own path is refused, and that
// frequent mounts of users are accepted.
func TestValidateMounts(t *testing.T) {
	t.Parallel()
	const images, keys = "/var/lib/containerd, the node's images and containers", "/etc/kubernetes/pki, the cluster's keys"
	for path, want := range map[string]string{
		"/data": "", "/mnt/data/": "", "/var/local-path-provisioner": "", "/var/log": "", "/var/lib/mine": "", "/var/lib/etcd": "",
		"/var/run/docker.sock": "", "/run/docker.sock": "", "/run/secrets": "", "/dev": "", "/dev/kvm": "", "/sys/fs/bpf": "", "/sys/kernel/debug": "",
		"/etc/kubernetes/policies": "", "/etc/kubernetes/audit-policy.yaml": "", "/etc/kubernetes/pki/encryption.yaml": "",
		"/etc/kubernetes/manifests/mine.yaml": "", "/etc/containerd/certs.d": "", "/etc/docker/certs.d": "", "/etc/ssl/certs": "", "/etc/hosts": "",
		"/etc/cni/net.d/20-mine.conflist": "", "/opt/mine": "", "/opt/cni/bin/mine": "", "/usr/local/share/ca-certificates": "", "/usr/local/bin/mine": "",
		"/usr/lib/modules-load.d": "", "/lib/firmware": "", "/tmp/x": "", "/home": "", "/root/.docker/config.json": "", "/etc/systemd/system/mine.service": "",
		"/usr/src": "", "/procfs": "", "/varnish": "", "/var/lib/kubelet/config.json": "",

		"/proc": "/proc, the kernel's view of processes", "/proc/sys": "/proc, the kernel's view of processes",
		"/sys": "/sys/fs/cgroup, the node's cgroups", "/sys/fs": "/sys/fs/cgroup, the node's cgroups", "/sys/fs/cgroup/x": "/sys/fs/cgroup, the node's cgroups",
		"/run": "/run/mkube, what the node found out about itself", "/var/run": "/run/mkube, what the node found out about itself",
		"/run/containerd": "/run/containerd, containerd's socket and state", "/var/run/containerd/": "/run/containerd, containerd's socket and state",
		"/tmp": "/tmp, a file system in memory", "/tmp/": "/tmp, a file system in memory", "/x/../tmp": "/tmp, a file system in memory",
		"/var": images, "/var/lib": images, "/var/lib/containerd": images, "/var/lib/containerd/io.containerd.content.v1.content": images,
		"/var/lib/kubelet": "/var/lib/kubelet, the kubelet's configuration, keys and pods",
		"/lib/modules":     "/usr/lib/modules, the host's kernel modules, which a node has already",
		"/usr":             "/usr, the node's own", "/lib": "/usr/lib, the node's own", "/usr/lib": "/usr/lib, the node's own", "/etc": "/etc, the node's own",
		"/usr/share":                          "/usr/share/mkube, the node's programs and preloaded images",
		"/usr/share/mkube/bin":                "/usr/share/mkube, the node's programs and preloaded images",
		"/usr/local":                          "/usr/local/bin, the node's programs",
		"/bin":                                "/usr/bin, the node's programs",
		"/sbin":                               "/usr/sbin, the node's programs",
		"/etc/kubernetes":                     "/etc/kubernetes/manifests, the control plane's manifests",
		"/etc/kubernetes/manifests":           "/etc/kubernetes/manifests, the control plane's manifests",
		"/etc/kubernetes/manifests/etcd.yaml": "/etc/kubernetes/manifests/etcd.yaml, a file that mkube writes",
		"/etc/kubernetes/pki":                 keys,
		"/etc/kubernetes/pki/ca.crt":          "/etc/kubernetes/pki/ca.crt, a file that mkube writes",
		"/etc/kubernetes/admin.conf":          "/etc/kubernetes/admin.conf, a file that mkube writes",
		"/etc/mkube":                          "/etc/mkube, the cluster's keys and configuration",
		"/etc/mkube/pki":                      "/etc/mkube, the cluster's keys and configuration",
		"/etc/containerd":                     "/etc/containerd/config.toml, containerd's configuration, which containerdConfigPatches can change",
		"/etc/containerd/config.toml":         "/etc/containerd/config.toml, containerd's configuration, which containerdConfigPatches can change",
		"/etc/systemd":                        "/etc/systemd/system, the node's services",
		"/opt":                                "/opt/cni/bin, the programs of the pod network",
		"/opt/cni/bin":                        "/opt/cni/bin, the programs of the pod network",
		"/etc/cni/net.d":                      "/etc/cni/net.d/10-mkube.conflist, the pod network's configuration",
	} {
		got := mountMistake(path, false)
		if want != "" {
			want = fmt.Sprintf("nodes[0].extraMounts[0].containerPath %q would hide %s: choose another path", path, want)
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", path, got, want)
		}
	}
}

// TestValidateMountsOfOwnCNI checks that users who install a pod network may also mount its
// programs.
func TestValidateMountsOfOwnCNI(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/opt", "/opt/cni/bin", "/etc/cni/net.d", "/etc/cni"} {
		if got := mountMistake(path, true); got != "" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := mountMistake("/etc/mkube", true); got == "" {
		t.Error("/etc/mkube may be hidden")
	}
}

// TestValidateSameMount checks that two names of one path count as one path.
func TestValidateSameMount(t *testing.T) {
	t.Parallel()
	c := Cluster{Nodes: []Node{{ExtraMounts: []Mount{{HostPath: "a", ContainerPath: "/var/run/x"}, {HostPath: "b", ContainerPath: "/run/x/"}}}}}
	wantError(t, c.Default().Validate(), "nodes[0].extraMounts[1].containerPath is also that of nodes[0].extraMounts[0]: a path of the node can show only one path of the host")
}

func mountMistake(path string, ownCNI bool) string {
	c := Cluster{Nodes: []Node{{ExtraMounts: []Mount{{HostPath: "/x", ContainerPath: path}}}}, Networking: Networking{DisableDefaultCNI: ownCNI}}
	if err := c.Default().Validate(); err != nil {
		return strings.TrimSpace(err.Error())
	}
	return ""
}
