// Package containerd runs containerd, the container runtime on every node.
package containerd

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

const unit = "containerd.service"

//go:embed lesson.md
var lesson string

// New returns containerd on every node. It is a systemd service.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   "containerd",
			Short:  "runs containers, and stores their images",
			Lesson: lesson,
			Effect: component.Effect{Claim: "the runtime lists its containers", Try: lists},
		},
		Content: component.Content{
			Files: files,
		},
		Lifecycle: component.Lifecycle{
			Unit:  unit,
			Start: start,
			Ready: ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	data, err := Config(n.Versions(), c.Config.ContainerdConfigPatches)
	return append(proxy(c.Config, n), provider.File{Path: "/etc/containerd/config.toml", Data: data}), err
}

// Config returns containerd's configuration with patches merged into it, in order. Tables are
// merged key by key; every other value is replaced. A patch may have an older version of the
// format. See https://github.com/containerd/containerd/blob/main/docs/cri/config.md.
func Config(versions provider.Versions, patches []string) ([]byte, error) {
	merged := base(versions)
	for i, patch := range patches {
		p, err := config.ContainerdPatch(patch)
		if err != nil {
			return nil, fmt.Errorf("reading containerdConfigPatches[%d]: %w", i, err)
		}
		merged = component.Merge(enabled(merged, p), p)
	}
	reconcile(merged)
	return toml.Marshal(merged)
}

// enabled returns a configuration without those disabled plugins that a patch configures:
// containerd would ignore the patch.
func enabled(merged, patch map[string]any) map[string]any {
	disabled, _ := merged["disabled_plugins"].([]any)
	configured, _ := patch["plugins"].(map[string]any)
	left := slices.DeleteFunc(slices.Clone(disabled), func(plugin any) bool {
		name, _ := plugin.(string)
		return configured[name] != nil
	})
	merged = maps.Clone(merged)
	merged["disabled_plugins"] = left
	return merged
}

// nodeImports are the files with settings that mkube-node-init detects when the node boots.
const nodeImports = "/run/mkube/containerd*.toml"

// reconcile restores the import of nodeImports, which patches must not remove. It removes
// config_path if a patch has mirrors: containerd does not start with both.
func reconcile(merged map[string]any) {
	if imports, ok := merged["imports"].([]any); ok && !slices.Contains(imports, any(nodeImports)) {
		merged["imports"] = append(slices.Clone(imports), nodeImports)
	}
	if registry := config.Registry(merged); registry["mirrors"] != nil && registry["config_path"] == certsDir {
		delete(registry, "config_path")
	}
}

// certsDir has a folder for each registry, with its mirrors and certificates.
const certsDir = "/etc/containerd/certs.d"

func base(versions provider.Versions) map[string]any {
	return map[string]any{
		"version": 3,
		"imports": []any{nodeImports},
		// A node has no file system for these snapshotters, and each would be probed at every
		// start.
		"disabled_plugins": []any{
			"io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
			"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs",
			"io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing",
		},
		"plugins": map[string]any{
			"io.containerd.cri.v1.images": map[string]any{
				"snapshotter":   "overlayfs",
				"pinned_images": map[string]any{"sandbox": component.Registry + "pause:" + versions.Pause},
				"registry":      map[string]any{"config_path": certsDir},
			},
			"io.containerd.cri.v1.runtime": map[string]any{
				"containerd": map[string]any{"runtimes": map[string]any{"runc": map[string]any{
					"runtime_type": "io.containerd.runc.v2",
					"options":      map[string]any{"BinaryName": "/usr/local/bin/runc"},
				}}},
			},
		},
	}
}

// started retries on the node for about two seconds, because systemd may have only just become
// the node's first process. That costs less than several commands on the node.
const started = `for i in $(seq 40); do systemctl start "$1" 2>/dev/null && exit; sleep 0.05; done
systemctl start "$1"`

func start(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	_, err := provider.Output(ctx, n, "sh", "-c", started, "sh", unit)
	if exit := (*provider.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("starting %s: %s", unit, exit.Reason())
	}
	return err
}

// ready relies on systemd: the unit is started when containerd notifies systemd that it serves.
// So starting a unit that starts already waits until containerd serves.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	return start(ctx, c, n)
}

func lists(ctx context.Context, c *cluster.Cluster) error {
	for _, n := range c.KubernetesNodes() {
		if _, err := provider.Output(ctx, n, "crictl", "ps", "--quiet"); err != nil {
			return err
		}
	}
	return nil
}
