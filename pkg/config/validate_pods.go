package config

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/names"
)

// maxFile is the maximum size of a file in extraFiles, in bytes. It is far more than any
// configuration needs. Each control plane keeps all files in the cluster's configuration.
const maxFile = 1 << 20

// pods checks what the user adds to the static pods.
func (m *mistakes) pods(c Cluster) {
	for _, component := range slices.Sorted(maps.Keys(c.ExtraFiles)) {
		parent := keyPath("extraFiles", component)
		if m.staticPod(parent, component) {
			m.extraFiles(parent, component, c)
		}
	}
	for _, component := range slices.Sorted(maps.Keys(c.ExtraVolumes)) {
		parent := keyPath("extraVolumes", component)
		if m.staticPod(parent, component) {
			m.extraVolumes(parent, component, c)
		}
	}
}

func (m *mistakes) staticPod(at, component string) bool {
	if slices.Contains(StaticPods(), component) {
		return true
	}
	if slices.Contains(append(Components(), Addons()...), component) {
		m.addf(at, "is not a static pod: the static pods are %s", strings.Join(StaticPods(), ", "))
	} else {
		m.addf(at, "is not a component%s", didYouMeanOr(component, StaticPods(), "the static pods are "))
	}
	return false
}

func (m *mistakes) extraFiles(parent, component string, c Cluster) {
	for i, f := range c.ExtraFiles[component] {
		at := itemPath(parent, i)
		switch {
		case f.HostPath == "" && f.Content == nil:
			m.addf(at, "has no content: set hostPath to a file of this host, or content to the text")
		case f.HostPath != "" && f.Content != nil:
			m.addf(at, "has both hostPath and content: remove one of them")
		case f.Content == nil:
			m.hostPath(fieldPath(at, "hostPath"), f.HostPath)
		case len(*f.Content) > maxFile:
			m.addf(at, "is larger than 1 MiB")
		}
		m.extraFilePath(fieldPath(at, "path"), component, f, i, c)
	}
}

// extraFilePath checks the path of the i-th file of a component on its nodes.
func (m *mistakes) extraFilePath(at, component string, f ExtraFile, i int, c Cluster) {
	if !m.podPath(at, f.Path) {
		return
	}
	if why := unwritable(f.Path, !c.Networking.DisableDefaultCNI); why != "" {
		m.addf(at, "%s cannot be used: %s", quote(f.Path), why)
		return
	}
	for _, n := range c.podNodes(component) {
		for j, mount := range c.Nodes[n].ExtraMounts {
			if inFolder(f.Path, path.Clean(mount.ContainerPath)) {
				m.addf(at, "%s is in nodes[%d].extraMounts[%d], which hides the file: choose another path, or remove the file and mount it", quote(f.Path), n, j)
				return
			}
		}
	}
	for _, other := range slices.Sorted(maps.Keys(c.ExtraFiles)) {
		for j, o := range c.ExtraFiles[other] {
			same := other != component && o.HostPath == f.HostPath && equal(o.Content, f.Content)
			if o.Path == f.Path && !same && (other < component || other == component && j < i) {
				m.addf(at, "is also that of %s: a path of the node can have only one file", itemPath(keyPath("extraFiles", other), j))
				return
			}
		}
	}
}

func equal(a, b *string) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// memory are folders of a node that are empty after its boot, or are not files.
var memory = []string{"/run", "/var/run", "/tmp", "/dev", "/proc", "/sys"}

// unwritable returns why mkube cannot write a user's file to a path of a node, "" if it can.
func unwritable(at string, ownCNI bool) string {
	for _, folder := range memory {
		if inFolder(at, folder) {
			return folder + " is empty when a node boots: choose a folder such as /etc/kubernetes/extra"
		}
	}
	if inFolder(at, names.ManifestDir) {
		return "the kubelet would run it as a static pod: choose a folder such as /etc/kubernetes/extra"
	}
	if own := hidden(at, ownCNI); own != "" {
		return "it would replace " + own + ": choose another path"
	}
	return ""
}

// podPath checks an absolute path that a pod mounts.
func (m *mistakes) podPath(at, value string) bool {
	switch {
	case value == "":
		m.addf(at, "is missing: set it to an absolute path")
	case !path.IsAbs(value) || path.Clean(value) != value || value == "/":
		m.addf(at, "must be an absolute path without trailing slash and without .., such as /etc/kubernetes/extra/policy.yaml, not %s", quote(value))
	case strings.Contains(value, ":"):
		m.addf(at, "must have no colon, which a pod's mount cannot have: %s", quote(value))
	default:
		return m.printable(at, value, "")
	}
	return false
}

// pathTypes are the types of hostPath volumes.
var pathTypes = []string{"DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"}

func (m *mistakes) extraVolumes(parent, component string, c Cluster) {
	const own = "one of mkube's own volumes"
	volumes, paths := map[string]string{}, map[string]string{}
	for name, at := range podMounts[component] {
		volumes[name], paths[at] = own, own
	}
	for i, f := range c.ExtraFiles[component] {
		paths[f.Path] = itemPath(keyPath("extraFiles", component), i)
	}
	for i, v := range c.PodVolumes(component, Node{Role: ControlPlane})[:len(c.ExtraVolumes[component])] {
		at := itemPath(parent, i)
		m.unique(fieldPath(at, "name"), v.Name, at, volumes)
		if !dnsLabel.MatchString(v.Name) || len(v.Name) > 63 {
			m.addf(fieldPath(at, "name"), "must be at most 63 lower-case letters, digits and inner hyphens, not %s", quote(v.Name))
		}
		if givenName.MatchString(v.Name) {
			m.addf(fieldPath(at, "name"), "must not be one of those that mkube gives to volumes: %s", quote(v.Name))
		}
		m.podPath(fieldPath(at, "hostPath"), v.HostPath)
		if m.podPath(fieldPath(at, "mountPath"), v.MountPath) {
			m.unique(fieldPath(at, "mountPath"), v.MountPath, at, paths)
		}
		if v.PathType != "" {
			m.oneOf(fieldPath(at, "pathType"), v.PathType, pathTypes...)
		}
	}
}

// unique checks that no other volume of a pod has a value, and notes its owner.
func (m *mistakes) unique(at, value, owner string, seen map[string]string) {
	if first, duplicate := seen[value]; duplicate {
		m.addf(at, "%s is also that of %s: choose another", quote(value), first)
		return
	}
	seen[value] = owner
}

// givenName matches the names of the volumes of keys, extraFiles and extraMounts.
var givenName = regexp.MustCompile("^(pki|extra-file|extra-mount)-")
