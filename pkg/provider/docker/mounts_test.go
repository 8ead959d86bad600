package docker

import (
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

func TestUnmounted(t *testing.T) {
	t.Parallel()
	files := []provider.File{{Path: "/etc/kubernetes/audit-policy.yaml"}, {Path: "/etc/kubernetes/kubelet.conf"}}
	if got := unmounted(files, []config.Mount{{ContainerPath: "/etc/kubernetes/policies"}, {ContainerPath: "/etc"}}); len(got) != 2 {
		t.Errorf("with mounts elsewhere: %v", got)
	}
	got := unmounted(files, []config.Mount{{ContainerPath: "/etc/kubernetes//audit-policy.yaml/"}})
	if len(got) != 1 || got[0].Path != "/etc/kubernetes/kubelet.conf" || files[0].Path != "/etc/kubernetes/audit-policy.yaml" {
		t.Errorf("with a mount at the first file: %v of %v", got, files)
	}
}
