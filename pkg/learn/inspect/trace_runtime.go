package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// runtime contains the sandboxes and containers of a pod, as in the output of crictl inspectp
// and crictl inspect.
type runtime []struct {
	Status struct {
		Metadata             struct{ Name string }
		Annotations          map[string]string
		CreatedAt, StartedAt time.Time
		FinishedAt           time.Time
		ExitCode             int
		Reason               string
		Network              *struct{ IP string }
	}
}

func (r runtime) sandboxes() int {
	count := 0
	for _, s := range r {
		if s.Status.Network != nil {
			count++
		}
	}
	return count
}

// inspectPod prints a JSON document for each sandbox and each container of a pod.
const inspectPod = `set -e
for id in $(crictl pods --quiet --label "io.kubernetes.pod.uid=$1"); do crictl inspectp "$id"; done
for id in $(crictl ps --all --quiet --label "io.kubernetes.pod.uid=$1"); do crictl inspect "$id"; done`

func (t *tracer) readRuntime(ctx context.Context, nodes []provider.Node) {
	if t.trace.Node == "" {
		return
	}
	i := slices.IndexFunc(nodes, func(n provider.Node) bool { return n.Name() == t.trace.Node })
	if i < 0 {
		t.missing("containerd on " + t.trace.Node + ": the cluster has no such node")
		return
	}
	out, err := provider.Output(ctx, nodes[i], "sh", "-c", inspectPod, "sh", t.uid())
	if err != nil {
		t.missing("containerd on " + t.trace.Node + ": " + reason(err))
		return
	}
	t.trace.Sources = append(t.trace.Sources, "containerd on "+t.trace.Node)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		one := make(runtime, 1)
		err := decoder.Decode(&one[0])
		if errors.Is(err, io.EOF) {
			return
		} else if err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
			t.missing(fmt.Sprintf("containerd on %s: %v", t.trace.Node, err))
			return
		}
		t.runtime = append(t.runtime, one...)
	}
}

// seen is the annotation of a sandbox with the time at which the kubelet first saw the pod.
const seen = "kubernetes.io/config.seen"

func (t *tracer) runtimeSteps() {
	for _, s := range t.runtime {
		status := s.Status
		step := func(at time.Time, who, what string) {
			if at.Year() > 1970 {
				t.step(Step{Time: at, Exact: true, Who: who, What: what, Source: fromRuntime})
			}
		}
		containerd := "containerd on " + t.trace.Node
		if status.Network != nil {
			if at, err := time.Parse(time.RFC3339Nano, status.Annotations[seen]); err == nil {
				step(at, t.kubelet(), "saw the pod")
			}
			step(status.CreatedAt, containerd, strings.TrimSuffix("made the pod's sandbox, with the address "+status.Network.IP, ", with the address "))
			continue
		}
		name := status.Metadata.Name
		step(status.CreatedAt, containerd, "created the container "+name)
		step(status.StartedAt, containerd, "started the container "+name)
		step(status.FinishedAt, containerd, fmt.Sprintf("saw the container %s end with exit code %d", name, status.ExitCode))
	}
}
