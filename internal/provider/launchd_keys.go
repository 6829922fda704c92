package provider

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// launchdKey is one key of a launchd.plist, or of a dictionary in it. Two attributes may stand for one key, when it may hold one type or
// another: a value goes into the first that takes it.
type launchdKey struct {
	name  string // of the attribute; "" for a key that has none, and that only a whole property list may have
	apple string // the key in the property list
	shape shape  // what it may hold; nil is anything
	about string // the attribute's description; without an attribute, why there is none, as a clause
}

// launchdKeys are the keys of launchd.plist(5), in the order in which a file is written, but for Label. Meanings and defaults are those of
// its manual.
var launchdKeys = slices.Concat(
	launchdProgram, launchdStart, launchdSurroundings, launchdLimits, launchdServices, launchdPlaces, launchdDead,
)

// What is run.
var launchdProgram = []launchdKey{
	{"program", "Program", text{absolute}, "Absolute path of the program. Default: the first of `program_arguments`."},
	{
		"program_arguments", "ProgramArguments",
		list{of: text{anything}, least: 1},
		"The argument vector; the first is the program's own name, and without `program` the program itself, which is looked up along the standard " +
			"path if it is no absolute one. No shell reads them.",
	},
	{
		"enable_globbing", "EnableGlobbing",
		flag{},
		"Whether launchd expands patterns such as `*` in `program_arguments` when it starts the job. Default: `false`.",
	},
	{
		"disabled", "Disabled",
		flag{},
		"What the file says of the job being disabled. It is only the initial value, which a label that was ever enabled or disabled does not have " +
			"any more; see `enabled`, which always decides. Default: `false`.",
	},
}

// When it is run.
var launchdStart = []launchdKey{
	{"run_at_load", "RunAtLoad", flag{}, "Whether the job is started when it is loaded, so at boot and by apply. Default: `false`."},
	// KeepAlive is a boolean or a dictionary. One dynamic attribute would take both as they are in the file, and could neither describe the
	// conditions nor have an editor complete them; so each form has an attribute of its own, and a job has one of them.
	{
		"keep_alive", "KeepAlive",
		flag{},
		"Whether launchd starts the job again whenever it ends. `true` implies `run_at_load`. For conditions see `keep_alive_if`. Default: `false`.",
	},
	{
		"keep_alive_if", "KeepAlive",
		object{launchdConditions},
		"Conditions under which launchd starts the job, and starts it again when it ends. **One that holds is enough**: they are ORed. Instead of `keep_alive`.",
	},
	{
		"start_interval", "StartInterval",
		number{least: 1},
		"Start the job every so many seconds. Times that fall into the Mac's sleep, or while the job still runs, are lost; see `start_calendar_interval`.",
	},
	{
		"start_calendar_interval", "StartCalendarInterval",
		list{of: object{launchdCalendar}, one: true},
		"Start the job at these times, as cron would; what is left out is any. Times that fall into the Mac's sleep are made up for by one start when it wakes. " +
			"With both `day` and `weekday`, one that matches is enough, as with cron.",
	},
	{
		"watch_paths", "WatchPaths",
		list{of: text{}},
		"Start the job when one of these paths is changed. Changes in quick succession may start it once, and some may be missed.",
	},
	{"queue_directories", "QueueDirectories", list{of: text{}}, "Start the job, and keep it alive, while one of these folders is not empty."},
	{"start_on_mount", "StartOnMount", flag{}, "Whether the job is started each time a file system is mounted. Default: `false`."},
	{
		"launch_only_once", "LaunchOnlyOnce",
		flag{},
		"Whether the job is started once in the time from one boot to the next, and not again. Default: `false`.",
	},
	{
		"throttle_interval", "ThrottleInterval",
		number{least: 0},
		"The job is not started again within so many seconds of its last start. launchd ignores 0. Default: 10.",
	},
	{
		"launch_events", "LaunchEvents",
		events{},
		"Start the job by events: by the name of the event's stream, such as `com.apple.iokit.matching`, then by a name of one's own, the event's " +
			"properties. Numbers become integers if they are whole; for other types see the function `plist_encode`.",
	},
	{"", "OnDemand", flag{}, "which is obsolete: KeepAlive, with the opposite meaning, has replaced it"},
}

// launchdConditions are those of a KeepAlive that is a dictionary.
var launchdConditions = []launchdKey{
	{
		"successful_exit", "SuccessfulExit",
		flag{},
		"`false`: start it again when it exits with an error, or by a signal; `true`: when it exits with status 0. Implies `run_at_load`.",
	},
	{
		"crashed", "Crashed",
		flag{},
		"`true`: start it again when a signal of a crash ended it, such as SIGSEGV; `false`: when it ended in any other way, so also after it succeeded.",
	},
	{
		"path_state", "PathState",
		dictionary{flag{}},
		"By path: `true`, keep it alive while the path exists; `false`, while it does not.",
	},
	{
		"other_job_enabled", "OtherJobEnabled",
		dictionary{flag{}},
		"By label: `true`, keep it alive while the other job is loaded; `false`, while it is not.",
	},
	{"", "NetworkState", flag{}, "which launchd does not heed any more"},
	{"", "AfterInitialDemand", flag{}, "which launchd.plist(5) does not describe"},
}

// launchdCalendar is one time of StartCalendarInterval.
var launchdCalendar = []launchdKey{
	{"minute", "Minute", number{0, 59}, "Minute, 0 to 59."},
	{"hour", "Hour", number{0, 23}, "Hour, 0 to 23, of the Mac's time zone."},
	{"day", "Day", number{1, 31}, "Day of the month, 1 to 31."},
	{"weekday", "Weekday", number{0, 7}, "Day of the week, 0 to 7; 0 and 7 are Sunday."},
	{"month", "Month", number{1, 12}, "Month, 1 to 12."},
}

// What it finds when it is run.
var launchdSurroundings = []launchdKey{
	{"environment_variables", "EnvironmentVariables", dictionary{text{anything}}, "Variables of the job's environment. For secrets see `environment_variables_wo`."},
	{"working_directory", "WorkingDirectory", text{}, "Folder that the job starts in. Default: `/`."},
	{"root_directory", "RootDirectory", text{}, "Folder that becomes the job's root by chroot(2). Default: `/`."},
	{"standard_in_path", "StandardInPath", text{}, "File that is the job's standard input. Default: `/dev/null`."},
	{
		"standard_out_path", "StandardOutPath",
		text{},
		"File that the job's standard output is appended to. launchd makes it for `user_name`, and its folders for root: a job of another user's needs a folder " +
			"that exists. Default: `/dev/null`.",
	},
	{"standard_error_path", "StandardErrorPath", text{}, "File that the job's standard error is appended to; see `standard_out_path`. Default: `/dev/null`."},
	{"user_name", "UserName", text{}, "User that the job runs as; only of a daemon. Default: root."},
	{"group_name", "GroupName", text{}, "Group that the job runs as; only of a daemon. Default: the user's primary group."},
	{
		"init_groups", "InitGroups",
		flag{},
		"Whether the job also has the other groups that `user_name` is a member of; without `user_name` it has no meaning. Default: `true`.",
	},
	{
		"umask", "Umask",
		octal{text: true},
		"The job's umask(2) in octal, such as `\"022\"`. In a property list an integer is decimal, so that `\"022\"` is written as 18.",
	},
	{"session_create", "SessionCreate", flag{}, "Whether the job gets a security audit session of its own. Default: `false`."},
}

// What it may use, and how it ends.
var launchdLimits = []launchdKey{
	{
		"exit_timeout", "ExitTimeOut",
		number{least: 0},
		"How many seconds the job has between SIGTERM and SIGKILL when it is stopped; 0 is for ever. Its key is `ExitTimeOut`: launchd ignores " +
			"`ExitTimeout`. Default: macOS's own (5).",
	},
	{
		"abandon_process_group", "AbandonProcessGroup",
		flag{},
		"Whether what the job has left running in its process group goes on when the job's own process ends. launchd kills it otherwise. Default: `false`.",
	},
	{
		"enable_transactions", "EnableTransactions",
		flag{},
		"Whether the job says by XPC transactions when it is busy. While it is not, it is stopped by SIGKILL at once. Default: `false`.",
	},
	{
		"enable_pressured_exit", "EnablePressuredExit",
		flag{},
		"Whether macOS may end the job when memory is short and the job is not busy. It implies `enable_transactions`, has the job ignore SIGTERM " +
			"unless it handles it, and has no meaning with `keep_alive = true`. Default: `false`.",
	},
	{"nice", "Nice", number{-20, 20}, "The job's nice(3) value, from -20 to 20. Default: 0."},
	{
		"process_type", "ProcessType",
		text{oneOf("Background", "Standard", "Adaptive", "Interactive")},
		"How macOS limits the job's resources: `Background`, `Standard`, `Adaptive` or `Interactive`. A `Background` job can be delayed for long. Default: `Standard`.",
	},
	{"low_priority_io", "LowPriorityIO", flag{}, "Whether the job's use of the disk comes after that of others. Default: `false`."},
	{
		"low_priority_background_io", "LowPriorityBackgroundIO",
		flag{},
		"Whether the job's use of the disk comes after that of others while macOS has it in the background. Default: `false`.",
	},
	{
		"materialize_dataless_files", "MaterializeDatalessFiles",
		flag{},
		"Whether files whose content is in a cloud are fetched when the job opens them, rather than the open failing.",
	},
	{"soft_resource_limits", "SoftResourceLimits", object{launchdResources}, "The job's limits, see setrlimit(2)." + wholeMac},
	{
		"hard_resource_limits", "HardResourceLimits",
		object{launchdResources},
		"What the job may raise its limits to, see setrlimit(2)." + wholeMac,
	},
	{
		"legacy_timers", "LegacyTimers",
		flag{},
		"Whether the job's timers fire on time, rather than being gathered with those of others to save energy. Default: `false`.",
	},
	{"debug", "Debug", flag{}, "Whether launchd logs more about the job. Default: `false`."},
	{"wait_for_debugger", "WaitForDebugger", flag{}, "Whether the job waits for a debugger to attach before it runs. Default: `false`."},
}

const wholeMac = " In a daemon, `number_of_files` and `number_of_processes` also set what the kernel allows the whole Mac."

// launchdResources are the limits of setrlimit(2).
var launchdResources = []launchdKey{
	{"core", "Core", number{least: 0}, "Bytes of a core file."},
	{"cpu", "CPU", number{least: 0}, "Seconds of processor time."},
	{"data", "Data", number{least: 0}, "Bytes of the data segment."},
	{"file_size", "FileSize", number{least: 0}, "Bytes of a file that the job writes."},
	{"memory_lock", "MemoryLock", number{least: 0}, "Bytes that the job may lock in memory by mlock(2)."},
	{"number_of_files", "NumberOfFiles", number{least: 0}, "Files that are open at once. It may change what the kernel allows the whole Mac."},
	{"number_of_processes", "NumberOfProcesses", number{least: 0}, "Processes of the job's user. It may change what the kernel allows the whole Mac."},
	{"resident_set_size", "ResidentSetSize", number{least: 0}, "Bytes of memory that the job keeps when memory is short."},
	{"stack", "Stack", number{least: 0}, "Bytes of the stack."},
}

// What others reach it by.
var launchdServices = []launchdKey{
	{
		"mach_services", "MachServices",
		dictionary{advertised{object{launchdMachService}}},
		"Names that the job is reached by in the bootstrap namespace, where launchd starts it when one is looked up. Each is mostly just `{}`.",
	},
	{
		"sockets", "Sockets",
		sockets{launchdSocket},
		"Sockets that launchd opens for the job, and starts it on when somebody connects. The job asks for them by `name` with launch_activate_socket(3).",
	},
	{"inetd_compatibility", "inetdCompatibility", object{launchdInetd}, "That the job expects to be started as inetd(8) does, one connection each. It needs `sockets`."},
}

var launchdMachService = []launchdKey{
	{
		"reset_at_close", "ResetAtClose",
		flag{},
		"Whether the service's port is made anew when the job ends, so that its clients notice. Default: `false`.",
	},
	{
		"hide_until_check_in", "HideUntilCheckIn",
		flag{},
		"Whether the service cannot be looked up before the job has checked in. Default: `false`.",
	},
}

// launchdSocket is one socket. A name may have several.
var launchdSocket = []launchdKey{
	{"sock_type", "SockType", text{oneOf("stream", "dgram", "seqpacket")}, "`stream`, `dgram` or `seqpacket`. Default: `stream`."},
	{"sock_passive", "SockPassive", flag{}, "Whether the socket listens; `false` connects it instead. Default: `true`."},
	{"sock_node_name", "SockNodeName", text{}, "Address or host name to listen on, or to connect to. Default: any."},
	{"sock_service_name", "SockServiceName", service{}, "The port, as a number or by a name of services(5)."},
	{
		"sock_family", "SockFamily",
		text{oneOf("IPv4", "IPv6", "IPv4v6", "Unix")},
		"`IPv4`, `IPv6`, or `IPv4v6` for one socket with both; `Unix` is implied by `sock_path_name`. Default: both IPv4 and IPv6, by two sockets.",
	},
	{"sock_protocol", "SockProtocol", text{oneOf("TCP", "UDP")}, "`TCP` or `UDP`. Default: as `sock_type` implies."},
	{"sock_path_name", "SockPathName", text{}, "Path of a socket of the Unix domain, which launchd makes."},
	{
		"secure_socket_with_key", "SecureSocketWithKey",
		text{},
		"Environment variable that is to hold the path of a socket of the Unix domain, which launchd makes at a path that nobody can guess.",
	},
	{"sock_path_owner", "SockPathOwner", number{least: 0}, "User ID that the socket at `sock_path_name` belongs to."},
	{"sock_path_group", "SockPathGroup", number{least: 0}, "Group ID that the socket at `sock_path_name` belongs to."},
	{
		"sock_path_mode", "SockPathMode",
		octal{},
		"Mode of the socket at `sock_path_name` in octal, such as `\"0600\"`. In a property list it is decimal, so that `\"0600\"` is written as 384.",
	},
	{"bonjour", "Bonjour", flag{}, "Whether the socket is announced by Bonjour, under the name of its service. Default: `false`."},
	{"bonjour_names", "Bonjour", list{of: text{}, one: true, least: 1}, "Names that the socket is announced under by Bonjour. Instead of `bonjour`."},
	{"multicast_group", "MulticastGroup", text{}, "Multicast group that a `dgram` socket joins."},
}

var launchdInetd = []launchdKey{
	{
		"wait", "Wait",
		flag{},
		"Whether the job gets the listening socket as its standard input, output and error; with `false` it gets one connection, that launchd has accepted.",
	},
	{"", "Instances", number{}, "which is private to Apple's own jobs"},
}

// Where it is loaded.
var launchdPlaces = []launchdKey{
	{
		"limit_load_to_session_type", "LimitLoadToSessionType",
		list{of: text{}, one: true},
		"Sessions that an agent is loaded in: `Aqua` (the default), `Background`, `LoginWindow`. It is not for daemons, though many of their files have it.",
	},
	{
		"limit_load_to_hardware", "LimitLoadToHardware",
		dictionary{list{of: text{}}},
		"Load the job only on such a Mac: by the name of a variable of sysctl(8) below `hw`, the values of which it must have one.",
	},
	{"limit_load_from_hardware", "LimitLoadFromHardware", dictionary{list{of: text{}}}, "Do not load the job on such a Mac: the reverse of `limit_load_to_hardware`."},
	{
		"associated_bundle_identifiers", "AssociatedBundleIdentifiers",
		list{of: text{}, one: true},
		"Bundle identifiers of the apps that System Settings > General > Login Items names the job by.",
	},
}

// What is in files and does nothing, or is not for jobs such as these.
var launchdDead = []launchdKey{
	{"", "BundleProgram", text{}, "which only has a meaning in the bundle of an app that registers its job itself"},
	{"", "TimeOut", number{}, "which launchd does not implement any more; how long a job may take to end is ExitTimeOut"},
	{"", "ServiceIPC", flag{}, "which is obsolete and does nothing"},
	{"", "LimitLoadToHosts", nil, "which launchd does not support any more"},
	{"", "LimitLoadFromHosts", nil, "which launchd does not support any more"},
	{"", "HopefullyExitsFirst", nil, "which does nothing"},
	{"", "HopefullyExitsLast", nil, "which does nothing"},
	{"", "POSIXSpawnType", nil, "which is private to Apple's own jobs; see ProcessType"},
	{"", "SHAuthorizationRight", nil, "which is private to Apple's own jobs"},
}

// attributesOf are the attributes that stand for keys.
func attributesOf(keys []launchdKey) map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{}
	for _, k := range keys {
		if k.name != "" {
			attributes[k.name] = k.shape.attribute(k.about)
		}
	}
	return attributes
}
