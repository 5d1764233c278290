//! Counts the allocations of one request of each kind: case, contender and number, separated by tabs.

use jsonwebtoken_11::crypto::aws_lc;
use peers::contender::Task;
use peers::field;
use peers::world::World;
use mock_entra::MockEntra;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    aws_lc::DEFAULT_PROVIDER.install_default().expect("the first provider of this process");
    let (world, mut contenders, _entra) = runtime.block_on(async {
        let entra = MockEntra::start().await;
        let world = World::new(&entra).await;
        let mut contenders = field::yardsticks(&world, &entra);
        contenders.extend(field::ours(&world, &entra).await);
        contenders.extend(field::peers(&world).await);
        (world, contenders, entra)
    });
    for (index, case) in world.cases.iter().enumerate() {
        let headers = case.headers();
        for contender in &mut contenders {
            let mut count = |requests| {
                let task = Task { case: index, headers: &headers, requests };
                allocation_counter::measure(|| {
                    contender.run(task);
                })
                .count_total
            };
            // Whatever is done once per batch falls out.
            let (few, many) = (100, 600);
            count(few);
            let (few_count, many_count) = (count(few), count(many));
            let each = many_count.saturating_sub(few_count) as f64 / (many - few) as f64;
            println!("{}\t{}\t{each}", case.name, contender.name);
        }
    }
}
