package progress

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	inMode(t, "json", `{"time":"2000-01-01T00:00:00Z","step":"nodes","state":"pending","short":"machines <of> the cluster"}
{"time":"2000-01-01T00:00:00Z","step":"etcd","state":"pending","needs":["nodes"]}
{"time":"2000-01-01T00:00:00Z","step":"nodes","state":"running"}
{"time":"2000-01-01T00:00:01.5Z","message":"+ docker ps && \u001b[2m\"x\""}
{"time":"2000-01-01T00:00:01.500000001Z","step":"nodes","state":"done","elapsedSeconds":1.500000001}
{"time":"2000-01-01T01:00:00+01:00","step":"etcd","state":"failed","detail":"/readyz answers 500\nsee the log","elapsedSeconds":0.25}
{"time":"2000-01-01T00:00:01.500000001Z","step":"cni","state":"done","elapsedSeconds":0}
{"time":"2000-01-01T00:00:01.500000001Z","step":"coredns","state":"skipped"}
{"time":"2000-01-01T00:00:01.500000001Z","message":"half"}
`, func(r Renderer) {
		r.On(Event{Step: "nodes", State: Pending, Short: "machines <of> the cluster"})
		r.On(Event{Step: "etcd", State: Pending, Needs: []string{"nodes"}})
		r.On(Event{Step: "nodes", State: Running})
		time.Sleep(1500 * time.Millisecond)
		fmt.Fprint(r, "+ docker ps && \x1b[2m\"x\"\nhalf")
		time.Sleep(time.Nanosecond)
		r.On(Event{Step: "nodes", State: Done})
		r.On(Event{Time: time.Date(2000, 1, 1, 1, 0, 0, 0, time.FixedZone("CET", 3600)), Step: "etcd", State: Failed,
			Detail: "/readyz answers 500\nsee the log", Elapsed: 250 * time.Millisecond})
		r.On(Event{Step: "cni", State: Done})
		r.On(Event{Step: "coredns", State: Skipped})
	})
}

func TestEventSurvivesJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for _, e := range []Event{
		{Time: at, Step: "etcd", State: Pending, Short: "keeps state", Needs: []string{"kubelet", "nodes"}},
		{Time: at, Step: "etcd", State: Running, Detail: "a\nb"},
		{Time: at, Step: "etcd", State: Done, Elapsed: 1234567 * time.Microsecond},
		{Time: at, Step: "etcd", State: Running, Bytes: 3, TotalBytes: 7},
		{Time: at, Step: "etcd", State: Failed},
	} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s became %+v, want %+v", b, got, e)
		}
	}
}

func TestEventRefusesOtherJSON(t *testing.T) {
	t.Parallel()
	var e Event
	err := json.Unmarshal([]byte(`{"step":1}`), &e)
	if err == nil || !strings.HasPrefix(err.Error(), "reading an event: ") {
		t.Errorf("got error %v, want one of reading an event", err)
	}
	if err := json.Unmarshal([]byte(`{"step":"a","new":1}`), &e); err != nil || e.Step != "a" {
		t.Errorf("an unknown name: got step %q and error %v", e.Step, err)
	}
}

func TestJSONSaysWhichTimeItCannotWrite(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r, _ := New("json", &out, Options{})
	r.On(Event{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), Step: "etcd", State: Running})
	if err := r.Close(); err == nil || !strings.HasPrefix(err.Error(), "writing an event: ") {
		t.Errorf("got error %v, want one of writing an event", err)
	}
	if out.Len() > 0 {
		t.Errorf("wrote %q after all", out.String())
	}
}
