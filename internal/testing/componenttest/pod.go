package componenttest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// StaticPod checks the manifest of a component for a default cluster: it is a Pod without unknown
// fields, and follows the rules for mkube's static pods.
func StaticPod(t *testing.T, c component.Component) {
	t.Helper()
	c.Objects = nil
	list := files(t, c, config.Cluster{}, 0)
	manifest := list[len(list)-1]
	if want := names.ManifestDir + "/" + c.Name + ".yaml"; manifest.Path != want || manifest.Mode != 0o600 {
		t.Errorf("the manifest is %s (%04o); want %s (0600)", manifest.Path, manifest.Mode, want)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(manifest.Data, &pod); err != nil {
		t.Fatal(err)
	}
	for _, mistake := range podMistakes(c.Name, pod) {
		t.Error(mistake)
	}
	for _, mistake := range volumeMistakes(pod, list) {
		t.Error(mistake)
	}
}

// podMistakes returns the rules that a static pod breaks.
func podMistakes(name string, pod corev1.Pod) []string {
	var mistakes []string
	want := func(ok bool, rule string) {
		if !ok {
			mistakes = append(mistakes, rule)
		}
	}
	want(pod.APIVersion == "v1" && pod.Kind == "Pod", "the manifest is no v1 Pod")
	want(pod.Name == name && pod.Namespace == "kube-system", "the pod is not called kube-system/"+name)
	want(pod.Labels["component"] == name, "the label component is not "+name)
	want(slices.Contains([]string{"control-plane", "node"}, pod.Labels["tier"]), "the label tier is neither control-plane nor node")
	want(pod.Spec.HostNetwork, "the pod is not on the node's network, which is there before any CNI")
	want(pod.Spec.PriorityClassName == "system-node-critical", "the priority class is not system-node-critical")
	// The kubelet reads a static pod without the admission plugin that would set the priority.
	want(pod.Spec.Priority != nil && *pod.Spec.Priority == 2000001000, "the priority is not that of system-node-critical")
	if len(pod.Spec.Containers) != 1 {
		return append(mistakes, "the pod has not one container")
	}
	c := pod.Spec.Containers[0]
	want(c.Name == name, "the container is not called "+name+", by which its log is found")
	want(strings.HasPrefix(c.Image, component.Registry) || strings.HasPrefix(c.Image, component.OwnRegistry),
		"the image is not one of "+component.Registry+" or "+component.OwnRegistry)
	want(c.ImagePullPolicy == corev1.PullIfNotPresent, "the image would be pulled although it is preloaded")
	want(len(c.Command) > 0 && c.Command[0] == name, "the command is not "+name)
	return append(mistakes, probeMistakes(c)...)
}

// probeMistakes returns the rules that the three probes break. The first one must be frequent, so
// that it delays no start by a second.
func probeMistakes(c corev1.Container) []string {
	var mistakes []string
	for kind, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path == "" || probe.HTTPGet.Port.IntValue() == 0 || probe.HTTPGet.Host == "" {
			mistakes = append(mistakes, "the "+kind+" probe asks no URL")
		}
	}
	if c.StartupProbe != nil && c.StartupProbe.PeriodSeconds != 1 {
		mistakes = append(mistakes, "the startup probe does not ask every second")
	}
	slices.Sort(mistakes)
	return mistakes
}

// volumeMistakes returns the rules that volumes break. Each mount must have its volume, and each
// volume its mount. A file or folder must be on the node if its volume does not create it.
func volumeMistakes(pod corev1.Pod, files []provider.File) []string {
	var mistakes []string
	unused := map[string]corev1.Volume{}
	for _, v := range pod.Spec.Volumes {
		unused[v.Name] = v
		if v.HostPath == nil || v.HostPath.Type == nil {
			mistakes = append(mistakes, "volume "+v.Name+" is no path of the node with a type")
			continue
		}
		there := slices.ContainsFunc(files, func(f provider.File) bool {
			return f.Path == v.HostPath.Path || strings.HasPrefix(f.Path, v.HostPath.Path+"/")
		})
		creates := strings.HasSuffix(string(*v.HostPath.Type), "OrCreate")
		if !there && !creates && !strings.HasPrefix(v.HostPath.Path, names.PKIDir) {
			mistakes = append(mistakes, "volume "+v.Name+" is "+v.HostPath.Path+", which is none of the component's files")
		}
	}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		v, ok := unused[m.Name]
		if !ok {
			mistakes = append(mistakes, "mount "+m.Name+" has no volume")
		} else if v.HostPath != nil && v.HostPath.Path != m.MountPath {
			mistakes = append(mistakes, "mount "+m.Name+" is "+m.MountPath+" inside and "+v.HostPath.Path+" outside: the flags name one path")
		}
		delete(unused, m.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(unused)) {
		mistakes = append(mistakes, "volume "+name+" is not mounted")
	}
	return mistakes
}
