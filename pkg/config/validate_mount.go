package config

import (
	"path"
	"slices"
	"strings"
)

// nodeLinks are symbolic links on a node. A mount at a link is a mount at its target.
var nodeLinks = []struct{ link, target string }{
	{"/var/run", "/run"}, {"/var/lock", "/run/lock"},
	{"/bin", "/usr/bin"}, {"/sbin", "/usr/sbin"}, {"/lib", "/usr/lib"}, {"/lib64", "/usr/lib64"},
}

// unlinked returns a clean path of a node with such links replaced by their targets.
func unlinked(p string) string {
	for _, l := range nodeLinks {
		if inFolder(p, l.link) {
			return l.target + strings.TrimPrefix(p, l.link)
		}
	}
	return p
}

// inFolder reports whether a clean path is a folder or below it.
func inFolder(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, folder+"/")
}

// An ownPath is a path that a node needs for itself. No mount may hide it.
type ownPath struct {
	path, what string
	// below is set if the node needs everything below the path too.
	below bool
}

// ownPaths are in the order in which hidden looks for the reason: deeper paths come first.
var ownPaths = []ownPath{
	{"/proc", "the kernel's view of processes", true},
	{"/sys/fs/cgroup", "the node's cgroups", true},
	{"/run/mkube", "what the node found out about itself", true},
	{"/run/containerd", "containerd's socket and state", false},
	{"/run/systemd", "systemd's state", false},
	{"/run", "a file system in memory that systemd needs", false},
	{"/tmp", "a file system in memory", false},
	{"/usr/lib/modules", "the host's kernel modules, which a node has already", false},
	{"/usr/share/mkube", "the node's programs and preloaded images", true},
	{"/usr/lib/systemd", "systemd and its units", false},
	{"/usr/local/bin", "the node's programs", false},
	{"/usr/bin", "the node's programs", false},
	{"/usr/sbin", "the node's programs", false},
	{"/usr/lib64", "the libraries of the node's programs", false},
	{"/var/lib/containerd", "the node's images and containers", true},
	{"/var/lib/kubelet", "the kubelet's configuration, keys and pods", false},
	{"/var", "a volume of the node", false},
	{"/etc/kubernetes/manifests", "the control plane's manifests", false},
	{"/etc/kubernetes/pki", "the cluster's keys", false},
	{"/etc/kubernetes/pki/etcd", "etcd's keys", false},
	{"/etc/mkube", "the cluster's keys and configuration", true},
	{"/etc/containerd/config.toml", "containerd's configuration, which containerdConfigPatches can change", false},
	{"/etc/systemd/system", "the node's services", false},
	{"/opt/cni/bin", "the programs of the pod network", false},
	{"/etc/cni/net.d/10-mkube.conflist", "the pod network's configuration", false},
}

// cniPaths are paths that a node needs only with mkube's own pod network.
var cniPaths = []string{"/opt/cni/bin", "/etc/cni/net.d/10-mkube.conflist"}

// ownFiles are single files that mkube writes to a node, in folders to which a user may add others.
var ownFiles = map[string][]string{
	"/etc/kubernetes": {
		"admin.conf", "authentication.yaml", "cloud-controller-manager.conf", "controller-manager.conf", "kube-proxy.conf",
		"kube-proxy.yaml", "kubelet.conf", "scheduler.conf",
	},
	"/etc/kubernetes/manifests": {"etcd.yaml", "kube-apiserver.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml"},
	"/etc/kubernetes/pki": {
		"apiserver-etcd-client.crt", "apiserver-etcd-client.key", "apiserver-kubelet-client.crt", "apiserver-kubelet-client.key",
		"apiserver.crt", "apiserver.key", "ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key",
		"front-proxy-client.crt", "front-proxy-client.key", "sa.key", "sa.pub",
	},
	"/etc/kubernetes/pki/etcd": {
		"ca.crt", "ca.key", "healthcheck-client.crt", "healthcheck-client.key", "peer.crt", "peer.key", "server.crt", "server.key",
	},
	"/var/lib/kubelet":     {"config.yaml", "flags.env", "registration.env", "cloud.env"},
	"/var/lib/kubelet/pki": {"kubelet.crt", "kubelet.key"},
}

// hidden returns what a mount at a clean path would hide of the node's own paths, "" if nothing.
func hidden(at string, ownCNI bool) string {
	p := unlinked(at)
	if p == "/usr/lib" || p == "/usr" || p == "/etc" {
		return p + ", the node's own"
	}
	for _, own := range ownPaths {
		if slices.Contains(cniPaths, own.path) && !ownCNI {
			continue
		}
		if inFolder(own.path, p) || own.below && inFolder(p, own.path) {
			return own.path + ", " + own.what
		}
	}
	folder, file := path.Split(p)
	if slices.Contains(ownFiles[path.Clean(folder)], file) {
		return p + ", a file that mkube writes"
	}
	return ""
}

// mounts checks the mounts of a node. ownCNI is set if the cluster has mkube's own pod network.
func (m *mistakes) mounts(parent string, mounts []Mount, ownCNI bool) {
	seen := map[string]string{}
	for i, mount := range mounts {
		at := itemPath(parent, i)
		m.hostPath(fieldPath(at, "hostPath"), mount.HostPath)
		m.oneOf(fieldPath(at, "propagation"), mount.Propagation, "None", "HostToContainer", "Bidirectional")
		container := fieldPath(at, "containerPath")
		if !m.containerPath(container, mount.ContainerPath) {
			continue
		}
		clean := path.Clean(mount.ContainerPath)
		if own := hidden(clean, ownCNI); own != "" {
			m.addf(container, "%s would hide %s: choose another path", quote(mount.ContainerPath), own)
			continue
		}
		if first, duplicate := seen[unlinked(clean)]; duplicate {
			m.addf(container, "is also that of %s: a path of the node can show only one path of the host", first)
			continue
		}
		seen[unlinked(clean)] = at
	}
}

func (m *mistakes) hostPath(at, value string) {
	switch {
	case value == "":
		m.addf(at, "is missing: set it to a file or folder of the host")
	case value == "~" || strings.HasPrefix(value, "~/"):
		m.addf(at, "must be a path without ~, which only a shell expands, not %s", quote(value))
	default:
		m.printable(at, value, "")
	}
}

func (m *mistakes) containerPath(at, value string) bool {
	switch {
	case value == "":
		m.addf(at, "is missing: set it to an absolute path of the node")
	case !path.IsAbs(value):
		m.addf(at, "must be an absolute path of the node, not %s", quote(value))
	case path.Clean(value) == "/":
		m.addf(at, "must be a path below /, since / is the node's own file system")
	default:
		return m.printable(at, value, "")
	}
	return false
}
