package main

import (
	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"

	"notyet/socket"
)

// manager is the service manager that started this process, such as systemd; the zero value is none.
type manager struct {
	sockets *socket.Passed     // to answer on, in place of the addresses to listen on; nil: there are none
	notify  func(state string) // takes what sd_notify(3) does; nil: nobody wants to hear it
}

// serviceManager finds out who started this process and takes over the sockets that it passed (sd_listen_fds(3)). serve starts
// no processes, which is why NOTIFY_SOCKET may stay in the environment.
func serviceManager() (manager, error) {
	passed, err := socket.Adopt(activation.Files(true))
	if err != nil {
		return manager{}, err
	}
	return manager{sockets: passed, notify: func(state string) {
		_, _ = sd.SdNotify(false, state) // whoever does not hear that it is ready acts on that
	}}, nil
}

func (m manager) tell(state string) {
	if m.notify != nil {
		m.notify(state)
	}
}

// ready tells that queries are answered, be it at the start or after a reload.
func (m manager) ready(status string) { m.tell(sd.SdNotifyReady + "\nSTATUS=" + status) }

func (m manager) reloading() { m.tell(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()) }

func (m manager) stopping() { m.tell(sd.SdNotifyStopping) }
