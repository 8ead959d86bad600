package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// stepsOf returns the steps after these events, all at the time start.
func stepsOf(events ...Event) *steps {
	for i := range events {
		events[i].Time = start
	}
	return replay(events)
}

// TestBoardText checks the text of a step in each state.
func TestBoardText(t *testing.T) {
	t.Parallel()
	needs := []string{"nodes", "kubelet", "unheard-of"}
	for _, tt := range []struct {
		name   string
		others []Event
		step   Event
		final  bool
		want   string
	}{
		{"pending, without needs", nil, Event{State: Pending, Short: "keeps state"}, false, "keeps state"},
		{"pending, with open needs", []Event{{Step: "nodes", State: Done}, {Step: "kubelet", State: Running}},
			Event{State: Pending, Short: "keeps state", Needs: needs}, false, "waits for kubelet"},
		{"pending, all needs done", []Event{{Step: "nodes", State: Done}, {Step: "kubelet", State: Done}},
			Event{State: Pending, Short: "keeps state", Needs: needs}, false, "keeps state"},
		{"running, early", []Event{{Step: "nodes", State: Running}},
			Event{State: Running, Needs: needs}, false, "waits for nodes"},
		{"running, with a detail", []Event{{Step: "nodes", State: Running}},
			Event{State: Running, Needs: needs, Detail: "answers 500"}, false, "answers 500"},
		{"running, with nothing to say", nil, Event{State: Running}, false, ""},
		{"running, with bytes", nil, Event{State: Running, Short: "keeps state", Bytes: 312 * mib, TotalBytes: 840 * mib}, false, "312 of 840 MiB"},
		{"running, with a detail and bytes", nil, Event{State: Running, Detail: "unpacking", Bytes: 312 * mib}, false, "unpacking: 312 MiB"},
		{"done, with bytes", nil, Event{State: Done, Short: "keeps state", Bytes: 840 * mib}, false, "840 MiB"},
		{"stopped, with bytes", nil, Event{State: Running, Bytes: 312 * mib, TotalBytes: 840 * mib}, true, "stopped: 312 of 840 MiB"},
		{"stopped", nil, Event{State: Running, Detail: "answers 500"}, true, "stopped: answers 500"},
		{"stopped, without a detail", nil, Event{State: Running, Short: "keeps state"}, true, "stopped"},
		{"done", nil, Event{State: Done, Short: "keeps state"}, false, "keeps state"},
		{"done, with a detail", nil, Event{State: Done, Short: "keeps state", Detail: "3 members"}, false, "3 members"},
		{"failed", nil, Event{State: Failed, Short: "keeps state", Detail: "gone"}, false, "gone"},
		{"skipped", nil, Event{State: Skipped, Short: "keeps state"}, false, "skipped"},
		{"skipped, for its needs", []Event{{Step: "nodes", State: Failed}, {Step: "kubelet", State: Skipped}},
			Event{State: Skipped, Needs: needs}, false, "skipped, without nodes, kubelet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.step.Step = "etcd"
			all := stepsOf(append(tt.others, tt.step)...)
			if got := (board{final: tt.final}).text(all, all.named("etcd")); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestBoardKeepsTheLastCellFree draws boards of every width, with and without colors.
func TestBoardKeepsTheLastCellFree(t *testing.T) {
	t.Parallel()
	all := stepsOf(
		Event{Step: "kube-controller-manager", State: Failed, Detail: strings.Repeat("映像", 60)},
		Event{Step: "etcd", State: Running, Detail: strings.Repeat("long ", 40)},
		Event{Step: "coredns", State: Pending, Needs: []string{"etcd"}},
	)
	for columns := 1; columns <= 200; columns++ {
		for _, ascii := range []bool{false, true} {
			plain := board{symbols: symbolsFor(ascii), columns: columns, rows: 24, now: start.Add(time.Hour)}
			painted := plain
			painted.color = true
			coloured := painted.draw(all)
			for i, r := range plain.draw(all) {
				if got := cells(r.text); got != r.cells || got > max(1, columns-1) {
					t.Errorf("%d columns: %q takes %d cells, says %d", columns, r.text, got, r.cells)
				}
				if c := coloured[i]; sgr.ReplaceAllString(c.text, "") != r.text || c.cells != r.cells {
					t.Errorf("%d columns: %q is another line than %q", columns, c.text, r.text)
				}
			}
		}
	}
}

func TestBoardFitsItsRows(t *testing.T) {
	t.Parallel()
	var events []Event
	for i := range 30 {
		events = append(events, Event{Step: fmt.Sprintf("step%d", i), State: []State{Pending, Running, Done, Failed, Skipped}[i%5]})
	}
	all := stepsOf(events...)
	for rows := 1; rows < 40; rows++ {
		b := board{symbols: symbolsFor(true), columns: 80, rows: rows, now: start}
		got := b.draw(all)
		if want := min(rows, 31); len(got) != want {
			t.Errorf("%d rows: got %d lines, want %d", rows, len(got), want)
		}
		hidden := fmt.Sprintf("%d not shown", 30-(len(got)-1))
		if last := got[len(got)-1].text; (rows < 31) != strings.Contains(last, hidden) {
			t.Errorf("%d rows: the last line is %q", rows, last)
		}
	}
	if got := (board{}).draw(&steps{}); got != nil {
		t.Errorf("got %v of no steps, want nil", got)
	}
}
