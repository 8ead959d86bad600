package stages

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// A Snapshot is the state of a cluster's first control plane, and of the API, at a stage.
type Snapshot struct {
	// Files has the SHA-256 digests of configuration files and keys, by path.
	Files map[string]string `json:"files"`
	// Processes has the arguments of processes, also of those in containers, by program.
	Processes map[string][]string `json:"processes"`
	// Sockets lists the sockets that are listened on, such as "tcp 127.0.0.1:2379 etcd".
	Sockets []string `json:"sockets"`
	// Objects lists all objects in the API except events and metrics, such as "Pod
	// kube-system/etcd-mkube-control-plane".
	Objects []string `json:"objects"`
}

// snapshotScript prints the four parts of a snapshot, each after a line with its name. It skips
// the processes of the kernel and of the script. If the API server does not answer, there are no
// objects.
const snapshotScript = `
echo FILES
find /etc/kubernetes /etc/cni /etc/containerd /etc/mkube /var/lib/kubelet/config.yaml /var/lib/kubelet/*.env /var/lib/kubelet/pki -xdev -type f \
  -not -path '/etc/mkube/notes/*' -not -path '/etc/mkube/stage' -not -name '*.lock' -exec sha256sum {} + 2>/dev/null
echo PROCESSES
for p in /proc/[0-9]*; do
  args=$(tr '\0\n' '\t ' 2>/dev/null <"$p/cmdline") && [ -n "$args" ] || continue
  [ "$p" = "/proc/$$" ] || [ "$(awk '{ print $4 }' "$p/stat" 2>/dev/null)" = "$$" ] || printf '%s\n' "$args"
done
echo SOCKETS
ss -Hlntup | awk '{ split($7, p, "\""); print $1, $5, p[2] }'
echo OBJECTS
[ -e /etc/kubernetes/admin.conf ] || exit 0
export KUBECONFIG=/etc/kubernetes/admin.conf
kinds=$(kubectl api-resources --verbs=list -o name 2>/dev/null | grep -v '^events' | grep -v metrics.k8s.io | paste -sd,) && [ -n "$kinds" ] || exit 0
kubectl get "$kinds" --all-namespaces --ignore-not-found --no-headers -o custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name 2>/dev/null || true`

// snapshotNote returns the name of the note with the snapshot of a stage.
func snapshotNote(stage string) string { return "snapshot-" + stage }

// snapshot takes a snapshot, and stores it as the snapshot of a stage.
func snapshot(ctx context.Context, p provider.Provider, c *cluster.Cluster, stage string) error {
	out, err := provider.Output(ctx, c.ControlPlanes()[0], "sh", "-c", snapshotScript)
	if err != nil {
		return fmt.Errorf("recording the stage %s: %w", stage, err)
	}
	data, err := json.Marshal(readSnapshot(string(out)))
	if err != nil {
		return err
	}
	return state.SetNote(ctx, p, c.Config.Name, snapshotNote(stage), string(data))
}

// readSnapshot parses the output of snapshotScript.
func readSnapshot(out string) Snapshot {
	s := Snapshot{Files: map[string]string{}, Processes: map[string][]string{}}
	part := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if slices.Contains([]string{"FILES", "PROCESSES", "SOCKETS", "OBJECTS"}, line) {
			part = line
			continue
		}
		switch fields := strings.Fields(line); {
		case part == "FILES" && len(fields) == 2:
			s.Files[fields[1]] = fields[0]
		case part == "PROCESSES":
			args := strings.Split(strings.TrimRight(line, "\t"), "\t")
			if program := args[0][strings.LastIndexByte(args[0], '/')+1:]; !passing(program) && !ofLock(args) {
				s.Processes[program] = args[1:]
			}
		case part == "SOCKETS":
			s.Sockets = append(s.Sockets, strings.TrimSpace(line))
		case part == "OBJECTS" && len(fields) == 3:
			s.Objects = append(s.Objects, fields[0]+" "+strings.TrimPrefix(fields[1]+"/"+fields[2], "<none>/"))
		}
	}
	slices.Sort(s.Sockets)
	s.Sockets = slices.Compact(s.Sockets)
	return s
}

// passing reports whether a program comes and goes independently of the stage, at least on a
// virtual machine. Those are programs of systemd, such as systemd-hostnamed, and their child
// processes, such as (udev-worker).
func passing(program string) bool {
	return strings.HasPrefix(program, "(") || strings.HasPrefix(program, "systemd-")
}

// ofLock reports whether a process holds the cluster's lock for the command that takes the
// snapshot.
func ofLock(args []string) bool {
	return slices.Equal(args, []string{"cat"}) || slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, state.LockPath) })
}

// SnapshotAt returns the snapshot of a cluster at a stage. If the cluster has never stopped
// there, it returns an error.
func SnapshotAt(ctx context.Context, p provider.Provider, name, stage string) (Snapshot, error) {
	note, err := state.Note(ctx, p, name, snapshotNote(stage))
	if err != nil {
		return Snapshot{}, err
	}
	if note == "" {
		return Snapshot{}, fmt.Errorf("cluster %q has no record of the stage %s: mkube stage back and mkube stage next lead there", name, stage)
	}
	var s Snapshot
	err = json.Unmarshal([]byte(note), &s)
	return s, err
}

// Last returns the last component of a cluster, and the one before it.
func Last(c *cluster.Cluster) (last, before component.Component) {
	g := bootstrap.Built(c)
	last = g[len(g)-1]
	if len(g) > 1 {
		before = g[len(g)-2]
	}
	return last, before
}
