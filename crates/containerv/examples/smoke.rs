use containerv::spec::*;
use containerv::*;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let host = Host::open_at(std::env::var("R").unwrap_or("/tmp/cvroot".into())).unwrap();
    let base = |process: bool| {
        let id = host.new_id().unwrap();
        let mut v = serde_json::json!({"id": id, "root": if args[1]=="host" { serde_json::json!("host") } else { serde_json::json!({"directory": args[1]}) }});
        if process {
            v["process"] = serde_json::json!({"args": args[2..], "search_path": true, "env": ["PATH=/bin:/usr/bin"], "set_home": true, "cwd": "/"});
        }
        serde_json::from_value::<Request>(v).unwrap()
    };
    match args[0].as_str() {
        "plan" => print!("{}", host.plan(&base(true), true).unwrap()),
        "run" => {
            let mut r = base(true);
            r.auto_remove = true;
            match Container::run_attached(&host, r, StdioSet::inherit()) {
                Ok((_c, mut child)) => println!("{:?}", child.wait()),
                Err(e) => println!("error: {e}\nhint: {:?}", e.hint()),
            }
        }
        "detach" => {
            let c = Container::run_detached(&host, base(true)).unwrap();
            println!("{} {:?}", c.id().short(), c.state());
            println!("{:?}", c.wait());
            println!("{:?}", c.state());
            c.delete(false).unwrap();
        }
        "keep" => {
            let c = Container::create(&host, base(false)).unwrap();
            println!("{:?}", c.state());
            let o = c.command(&args[2]).args(&args[3..]).output();
            match o {
                Ok(o) => println!(
                    "{:?} {} {}",
                    o.status,
                    String::from_utf8_lossy(&o.stdout),
                    String::from_utf8_lossy(&o.stderr)
                ),
                Err(e) => println!("error {e} {:?}", e.hint()),
            }
            c.delete(true).unwrap();
        }
        "create" => {
            let c = Container::create(&host, base(true)).unwrap();
            println!("{:?}", c.state());
            println!("{:?}", c.start());
            println!("{:?}", c.wait());
            println!("{:?}", c.state());
            println!("again {:?}", c.start());
            println!("{:?}", c.wait());
            c.delete(true).unwrap();
        }
        "repair" => {
            for a in host.repair(false).unwrap() {
                println!("{a}")
            }
        }
        _ => {}
    }
}
