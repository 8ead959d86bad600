package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// next returns the next step, with the reason why it has not happened, if conditions or events
// contain one.
func (t *tracer) next() string {
	pod := t.pod
	switch {
	case pod.Status.Phase == "Succeeded", pod.Status.Phase == "Failed", pod.Status.Conditions.is("Ready"):
		return ""
	case t.trace.Node == "":
		return because("kube-scheduler binds the pod to a node", pod.Status.Conditions.message("PodScheduled"))
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := c.State.Waiting; w.Reason != "" && !slices.Contains(early, w.Reason) {
			return because(t.kubelet()+" starts the container "+c.Name, strings.TrimSuffix(w.Reason+": "+w.Message, ": "))
		}
	}
	if pod.Status.Phase == "Pending" && t.runtime.sandboxes() == 0 {
		return because(t.kubelet()+" has containerd make the pod's sandbox and its network", t.lastWarning())
	}
	return because(t.kubelet()+" finds the containers ready by their probes", pod.Status.Conditions.message("Ready"))
}

// early are the waiting reasons of containers that only wait for other containers or for the
// sandbox.
var early = []string{"ContainerCreating", "PodInitializing"}

func because(who, why string) string {
	if why == "" {
		return who
	}
	return who + "; it does not yet because: " + why
}

func (list conditions) message(name string) string {
	for _, c := range list {
		if c.Type == name {
			return c.Message
		}
	}
	return ""
}

// lastWarning returns the message of the last event that is a warning, or "".
func (t *tracer) lastWarning() string {
	for _, e := range slices.Backward(t.events) {
		if e.Type == "Warning" {
			message, _, _ := strings.Cut(e.Message, "\n")
			return message
		}
	}
	return ""
}

// Text returns a line for each step: the time, the delay since the step before, who, what, and
// the source.
func (t *Trace) Text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Pod %s of namespace %s", t.Pod, t.Namespace)
	if t.Node != "" {
		out.WriteString(" on " + t.Node)
	}
	for _, o := range t.Owners {
		out.WriteString(", owned by " + o)
	}
	out.WriteString("\n\n")
	who, what := 0, 0
	for _, s := range t.Steps {
		who, what = max(who, len(s.Who)), max(what, len([]rune(short(s.What))))
	}
	for i, s := range t.Steps {
		fmt.Fprintf(&out, "%-12s%10s   %-*s   %-*s   %s\n", clock(s), delay(t.Steps, i), who, s.Who, what, short(s.What), s.Source)
	}
	out.WriteString("\n" + t.State)
	if n := len(t.Steps); n > 1 {
		fmt.Fprintf(&out, ", %s after the first step", length(t.Steps[n-1].Time.Sub(t.Steps[0].Time)))
	}
	out.WriteString(".\n")
	if t.Next != "" {
		fmt.Fprintf(&out, "Next: %s\n", t.Next)
	}
	fmt.Fprintf(&out, "Sources: %s.\n", strings.Join(append([]string{"the objects"}, t.Sources...), ", "))
	for _, m := range t.Missing {
		fmt.Fprintf(&out, "Not available: %s\n", m)
	}
	return out.String()
}

// short cuts the text of a step to the space in a line. The JSON output has the full text.
func short(what string) string {
	const most = 72
	if runes := []rune(what); len(runes) > most {
		return string(runes[:most-3]) + "..."
	}
	return what
}

// clock returns the time of day in UTC. A time that is not exact has no fraction.
func clock(s Step) string {
	if s.Exact {
		return s.Time.UTC().Format("15:04:05.000")
	}
	return s.Time.UTC().Format("15:04:05")
}

// delay returns the time since the step before. If one of the two times is not exact, the delay
// is in whole seconds.
func delay(steps []Step, i int) string {
	if i == 0 {
		return ""
	}
	d := steps[i].Time.Sub(steps[i-1].Time)
	if !steps[i].Exact || !steps[i-1].Exact {
		if d < time.Second {
			return "~"
		}
		return "~" + length(d.Round(time.Second))
	}
	return "+" + length(d)
}

// length returns a duration in two or three digits. apimachinery's duration package has no
// milliseconds.
func length(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute && d%time.Second == 0:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
