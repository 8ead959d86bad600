package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/names"
)

// StaticPods returns the components that are static pods, with their names in Kubernetes. The
// caller may change the list.
func StaticPods() []string {
	return []string{
		names.Etcd, names.KubeAPIServer, names.KubeControllerManager, names.KubeScheduler, names.KubeProxy, names.CloudControllerManager,
	}
}

// PodMounts returns what mkube mounts in the static pod of a component: paths by the name of the
// volume. The caller may change the map.
func PodMounts(component string) map[string]string { return maps.Clone(podMounts[component]) }

// podMounts are the mounts in pkg/component/*/manifest.yaml. Of the folder pki, a pod mounts the files
// that its flags name.
var podMounts = map[string]map[string]string{
	names.Etcd: {"data": "/var/lib/etcd", "pki": names.PKIDir + "/etcd"},
	names.KubeAPIServer: {
		"authentication": "/etc/kubernetes/authentication.yaml", "audit-policy": "/etc/kubernetes/audit-policy.yaml",
		"audit-log": "/var/log/kubernetes/audit", "pki": names.PKIDir, "ca-certs": "/etc/ssl/certs",
	},
	names.KubeControllerManager:  {"kubeconfig": "/etc/kubernetes/controller-manager.conf", "pki": names.PKIDir},
	names.KubeScheduler:          {"kubeconfig": "/etc/kubernetes/scheduler.conf", "pki": names.PKIDir},
	names.KubeProxy:              {"kubeconfig": "/etc/kubernetes/kube-proxy.conf", "settings": "/etc/kubernetes/kube-proxy.yaml", "xtables-lock": "/run/xtables.lock", "lib-modules": "/lib/modules"},
	names.CloudControllerManager: {"kubeconfig": "/etc/kubernetes/cloud-controller-manager.conf", "heartbeat-key": "/etc/mkube/heartbeat.key"},
}

// PodVolumes returns the user's volumes in the static pod of a component on a node, each with a
// name: extraVolumes, extraFiles, and the extraMounts of the node in which a flag of the component
// names a path.
func (c Cluster) PodVolumes(component string, n Node) []ExtraVolume {
	if !extended(component, n.Role) {
		return nil
	}
	var list []ExtraVolume
	for i, v := range c.ExtraVolumes[component] {
		if v.Name == "" {
			v.Name = fmt.Sprintf("extra-volume-%d", i)
		}
		list = append(list, v)
	}
	for i, f := range c.ExtraFiles[component] {
		list = append(list, ExtraVolume{fmt.Sprintf("extra-file-%d", i), f.Path, f.Path, true, "File"})
	}
	for i, m := range n.ExtraMounts {
		at := path.Clean(m.ContainerPath)
		if c.namesBelow(component, at) && !mounts(list, at) && !slices.Contains(slices.Collect(maps.Values(podMounts[component])), at) {
			list = append(list, ExtraVolume{fmt.Sprintf("extra-mount-%d", i), at, at, m.ReadOnly, ""})
		}
	}
	return list
}

// namesBelow reports whether a flag of a component names a path or one below it.
func (c Cluster) namesBelow(component, folder string) bool {
	for _, value := range c.ExtraArgs[component] {
		if path.IsAbs(value) && inFolder(path.Clean(value), folder) {
			return true
		}
	}
	return false
}

// mounts reports whether a list mounts something at a path of the pod.
func mounts(list []ExtraVolume, at string) bool {
	return slices.ContainsFunc(list, func(v ExtraVolume) bool { return path.Clean(v.MountPath) == at })
}

// ExtraFile returns the text of a file that extraFiles has for a component, by its path on the
// node.
func (c Cluster) ExtraFile(component, at string) (text string, ok bool) {
	for _, f := range c.ExtraFiles[component] {
		if f.Path == at && f.Content != nil {
			return *f.Content, true
		}
	}
	return "", false
}

// PodFiles returns the user's files for the static pod of a component on nodes of a role.
func (c Cluster) PodFiles(component string, role Role) []ExtraFile {
	if !extended(component, role) {
		return nil
	}
	return c.ExtraFiles[component]
}

// extended reports whether the user's settings apply to the static pod of a component on nodes of a
// role. The cloud-controller-manager of a worker is only a speaker, which has no extraArgs either.
func extended(component string, role Role) bool {
	return role == ControlPlane || role == Worker && component == names.KubeProxy
}

// podNodes returns the indexes of the nodes with the static pod of a component to which the user's
// settings apply.
func (c Cluster) podNodes(component string) []int {
	var list []int
	for i, n := range c.Nodes {
		if extended(component, n.Role) {
			list = append(list, i)
		}
	}
	return list
}

// inPod reports whether the pod of a component on a node has a path. A path in a folder of the node
// counts, except in the folder of keys, whose files are known.
func (c Cluster) inPod(component, at string, n Node) bool {
	for _, v := range c.PodVolumes(component, n) {
		if inFolder(at, path.Clean(v.MountPath)) {
			return true
		}
	}
	for _, own := range podMounts[component] {
		if !inFolder(at, own) {
			continue
		}
		folder, file := path.Split(at)
		if !inFolder(at, names.PKIDir) || slices.Contains(ownFiles[strings.TrimSuffix(folder, "/")], file) {
			return true
		}
		for _, m := range n.ExtraMounts {
			if inFolder(at, path.Clean(m.ContainerPath)) {
				return true
			}
		}
	}
	return false
}
