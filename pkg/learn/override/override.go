// Package override runs a program of the user instead of a component.
package override

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// programDir is the folder of the user's binaries on a node.
const programDir = "/usr/local/lib/mkube"

// Program is a binary that replaces the binary of a component.
type Program struct {
	// Binary is the program. It must be statically linked, because its container has no
	// libraries.
	Binary []byte
	// Args are its arguments. If nil, it gets the arguments that mkube gives the component.
	Args []string
}

// Run replaces the binary of a component that is a static pod, on all its nodes, and waits until
// the container runs. If own is nil, it restores mkube's binary. The manifest for the user's
// binary has no health probes, because the program may not serve its health. While another
// command changes the cluster, the error is a *state.BusyError.
func Run(ctx context.Context, p provider.Provider, name, what string, own *Program, o bootstrap.Options) error {
	release, err := state.Hold(ctx, p, name, "run "+what)
	if err != nil {
		return err
	}
	defer release()
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return err
	}
	comp, err := staticPodOf(c, what)
	if err != nil {
		return err
	}
	if own != nil {
		if err := runsAlone(own.Binary); err != nil {
			return err
		}
	}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	bootstrap.Announce(component.Graph{comp}, o)
	if own != nil {
		comp.Files, comp.Manifest, comp.Ready = nil, own.manifest(comp), runs(comp.Name)
		for _, n := range comp.Nodes(c) {
			if err := provider.WriteFiles(ctx, n, []provider.File{{Path: programPath(comp.Name), Data: own.Binary, Mode: 0o755}}); err != nil {
				return err
			}
		}
	}
	comp.Objects, comp.Serves = nil, nil
	for _, n := range comp.Nodes(c) {
		if err := endPod(ctx, n, comp.Name); err != nil {
			return err
		}
	}
	return component.Up{Cluster: c, On: o.On}.Do(ctx, comp, component.Signals{})
}

func programPath(name string) string { return programDir + "/" + name }

// staticPodOf returns a component of the cluster that is a static pod.
func staticPodOf(c *cluster.Cluster, name string) (component.Component, error) {
	var names []string
	for _, comp := range bootstrap.Built(c) {
		if comp.Unit != "" || comp.Manifest == nil {
			continue
		}
		if comp.Name == name {
			return comp, nil
		}
		names = append(names, comp.Name)
	}
	there := "the static pods are " + strings.Join(names, ", ")
	if len(names) == 0 {
		there = "no static pod is up yet"
	}
	return component.Component{}, fmt.Errorf("%s is not a static pod of cluster %q, and only the program of a static pod can be replaced: %s", name, c.Config.Name, there)
}

// runsAlone returns an error if a program would not start in an image without libraries.
func runsAlone(binary []byte) error {
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("the binary is not a program for Linux: %w", err)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return errors.New("the binary is dynamically linked, and its container has no libraries: build it with CGO_ENABLED=0")
	}
	return nil
}

// manifest returns the Manifest function of the component, with the binary mounted and run
// instead of the component's.
func (o *Program) manifest(comp component.Component) func(*cluster.Cluster, provider.Node) (provider.File, error) {
	return func(c *cluster.Cluster, n provider.Node) (provider.File, error) {
		file, err := comp.Manifest(c, n)
		if err != nil {
			return file, err
		}
		// A component renders its manifest as text, with comments for those who read it on the node.
		var pod map[string]any
		if err := yaml.Unmarshal(file.Data, &pod); err != nil {
			return file, err
		}
		// The manifest is mkube's own, so that these type assertions cannot fail.
		spec, _ := pod["spec"].(map[string]any)
		containers, _ := spec["containers"].([]any)
		container, _ := containers[0].(map[string]any)
		for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			delete(container, probe)
		}
		command, _ := container["command"].([]any)
		args := command[1:]
		if o.Args != nil {
			args = nil
			for _, a := range o.Args {
				args = append(args, a)
			}
		}
		container["command"] = append([]any{programPath(comp.Name)}, args...)
		mounts, _ := container["volumeMounts"].([]any)
		container["volumeMounts"] = append(mounts, map[string]any{"name": "own", "mountPath": programPath(comp.Name), "readOnly": true})
		volumes, _ := spec["volumes"].([]any)
		spec["volumes"] = append(volumes, map[string]any{"name": "own", "hostPath": map[string]any{"path": programPath(comp.Name), "type": "File"}})
		file.Data, err = yaml.Marshal(pod)
		return file, err
	}
}

// endPod removes a static pod and waits until its container has ended. If only the binary has
// changed, the kubelet would not restart the pod.
func endPod(ctx context.Context, n provider.Node, name string) error {
	if _, err := provider.Output(ctx, n, "rm", "-f", names.ManifestDir+"/"+name+".yaml"); err != nil {
		return err
	}
	return component.Gone(ctx, name, n)
}

// runs returns a Ready function that checks whether a container of the component runs.
func runs(name string) func(context.Context, *cluster.Cluster, provider.Node) error {
	return func(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
		out, err := provider.Output(ctx, n, "crictl", "ps", "--quiet", "--state", "running", "--name", "^"+name+"$")
		if err == nil && len(out) == 0 {
			err = fmt.Errorf("no container of %s runs", name)
		}
		return err
	}
}
